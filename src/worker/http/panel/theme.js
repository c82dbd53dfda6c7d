// Runs before the first paint: the theme that was chosen, or the system's.
// @ts-check
(() => {
  const STORED = 'ace-panel-theme';
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');

  /** @returns {'light' | 'dark'} */
  const wanted = () => {
    const stored = localStorage.getItem(STORED);
    if (stored === 'light' || stored === 'dark') return stored;
    return dark.matches ? 'dark' : 'light';
  };
  const apply = () => {
    root.dataset.theme = wanted();
    const button = document.getElementById('theme');
    if (button === null) return;
    const next = wanted() === 'dark' ? 'light' : 'dark';
    button.textContent = next === 'dark' ? 'Dark' : 'Light';
    button.setAttribute('aria-label', `Use the ${next} theme`);
  };

  apply();
  dark.addEventListener('change', apply);
  document.addEventListener('DOMContentLoaded', () => {
    apply();
    document.getElementById('theme')?.addEventListener('click', () => {
      const next = wanted() === 'dark' ? 'light' : 'dark';
      // Back to what the system says: then it is followed again.
      if (next === (dark.matches ? 'dark' : 'light')) localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, next);
      apply();
      document.dispatchEvent(new Event('themechange'));
    });
  });
})();
