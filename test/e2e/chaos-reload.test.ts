import { RELOAD_CASES } from '../chaos/cases.js';
import { holdAll } from '../chaos/holds.js';

describe('Reload', () => holdAll(RELOAD_CASES));
