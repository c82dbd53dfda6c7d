import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, ContentRecord, EngineContext } from './context.js';
import type { Feed } from './feed.js';
import { type CloseMode, KnobBoard, type Knobs } from './knobs.js';
import { Listener } from './listener.js';
import { PictureSource } from './media-picture.js';
import type { MediaSource } from './media-source.js';
import { StampedSource } from './media-stamped.js';
import { preset, type PresetName } from './presets.js';
import { SeededRandom } from './random.js';
import { serve } from './routes.js';
import { type Session, type SessionEnd, SessionTable } from './session-table.js';
import { Witness } from './witness.js';

const CLEAN_POLL_MS = 10;

export interface EngineOptions extends Partial<Knobs> {
  preset?: PresetName;
  /** Knobs of single contents on top of the engine's, by hex. */
  contents?: Readonly<Record<string, Partial<Knobs>>>;
  host?: string;
  /** 0 = any free one. */
  port?: number;
  seed?: number;
}

/** A running engine. Everything can be changed while it plays. */
export class SimulatedEngine implements EngineContext {
  witness = new Witness();
  readonly board: KnobBoard;
  readonly table: SessionTable;
  readonly random: SeededRandom;
  readonly feeds = new Set<Feed>();
  readonly #listener: Listener;
  readonly #trap: Listener;
  readonly #contents = new Map<string, ContentRecord>();
  readonly #aliases = new Map<string, string>();
  readonly #attached = new Map<Session, Set<Connection>>();
  #timer: NodeJS.Timeout | undefined;
  #frozen = false;
  #life = 0;

  constructor(options: EngineOptions) {
    const { preset: name, contents, host = '127.0.0.1', port = 0, seed = 1, ...knobs } = options;
    this.board = new KnobBoard({ ...(name === undefined ? {} : preset(name)), ...knobs }, contents);
    this.random = new SeededRandom(seed);
    this.table = new SessionTable(this.random, (session, how) => this.#ended(session, how));
    this.#listener = new Listener(host, port, (socket) => this.#accept(socket));
    this.#trap = new Listener(host, 0, (socket) => {
      this.witness.foreignContact(`from port ${String(socket.remotePort)}`);
      socket.destroy();
    });
  }

  get port(): number {
    return this.#listener.port;
  }

  get address(): string {
    return this.#listener.address;
  }

  get host(): string {
    return this.#listener.host;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  get trapAddress(): string {
    return this.#trap.address;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  get life(): number {
    return this.#life;
  }

  get knobs(): Readonly<Knobs> {
    return this.board.engine;
  }

  async start(): Promise<void> {
    await Promise.all([this.#listener.listen(), this.#trap.listen()]);
    this.#run();
  }

  /** Sessions that are live now stay live in the witness's books. */
  async stop(): Promise<void> {
    this.#halt();
    await Promise.all([this.#listener.close(), this.#trap.close()]);
  }

  /** Dies like a crashed process: connections reset, sessions forgotten, port refused until `revive`. */
  async kill(): Promise<void> {
    this.#halt();
    // The resets go first: the end of a session would say FIN.
    const closed = this.#listener.close();
    for (const session of this.table.live) this.table.end(session, 'restart');
    await closed;
  }

  async revive(): Promise<void> {
    await this.#listener.listen();
    this.#run();
  }

  async restart(downMs: number): Promise<void> {
    await this.kill();
    const { life } = this;
    await delay(downMs);
    if (this.life === life) await this.revive();
  }

  set(knobs: Partial<Knobs>): void {
    this.board.set(knobs);
  }

  setContent(hex: string, knobs: Partial<Knobs>): void {
    this.board.setContent(hex, knobs);
  }

  /** Back to the defaults, then the preset. */
  usePreset(name: PresetName, more: Partial<Knobs> = {}): void {
    this.board.replace({ ...preset(name), ...more });
  }

  /** New books, no sessions; knobs and the channels' positions stay. */
  reset(): void {
    for (const session of this.table.live) this.table.end(session, 'reset');
    const { openSockets } = this.witness;
    this.witness = new Witness();
    this.witness.openSockets = openSockets;
    for (const content of this.#contents.values()) {
      content.starts = 0;
      content.openings = 0;
      content.readersOpened = 0;
    }
  }

  /** Ends all playing connections; the sessions live on. Returns how many there were. */
  dropReaders(mode: CloseMode): number {
    const feeds = [...this.feeds];
    for (const feed of feeds) feed.close(mode);
    return feeds.length;
  }

  stall(on: boolean): void {
    this.set({ stall: on });
  }

  garbage(on: boolean): void {
    this.set({ garbage: on });
  }

  /** Accepts connections, answers nothing, sends nothing. */
  freeze(on: boolean): void {
    this.#frozen = on;
  }

  /** A player of somebody else takes the content (or all of them) over. */
  supersede(hex?: string): void {
    for (const session of this.table.live) {
      if (hex === undefined || session.content === hex.toLowerCase())
        this.table.end(session, 'superseded');
    }
  }

  /** @throws Error that lists every breach of the rules, live session and open socket. */
  assertClean(): void {
    const faults = this.witness.faults();
    if (faults.length > 0) throw new Error(`engine ${this.address}:\n- ${faults.join('\n- ')}`);
  }

  /** Waits until `assertClean` passes; throws what it throws after `ms`. */
  async untilClean(ms = 5_000): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end && this.witness.faults().length > 0;) {
      await delay(CLEAN_POLL_MS);
    }
    this.assertClean();
  }

  content(hex: string): ContentRecord {
    let record = this.#contents.get(hex);
    if (!record) {
      record = {
        source: this.#makeSource(hex),
        sentUpTo: 0,
        readersOpened: 0,
        starts: 0,
        openings: 0,
      };
      this.#contents.set(hex, record);
    }
    return record;
  }

  /** A made-up hash: real infohashes differ from the content id too (engine-api 2.2). */
  infohashOf(contentId: string): string {
    const infohash = createHash('sha1').update(`infohash of ${contentId}`).digest('hex');
    this.#aliases.set(infohash, contentId);
    return infohash;
  }

  contentOf(infohash: string): string {
    return this.#aliases.get(infohash) ?? infohash;
  }

  attach(session: Session, connection: Connection): void {
    const connections = this.#attached.get(session) ?? new Set();
    this.#attached.set(session, connections.add(connection));
    this.witness.readerOpened(session);
  }

  detach(session: Session, connection: Connection): void {
    if (this.#attached.get(session)?.delete(connection)) this.witness.readerClosed(session);
  }

  attached(session: Session): readonly Connection[] {
    return [...(this.#attached.get(session) ?? [])];
  }

  serverHeader(): string {
    return this.knobs.version === '3.1.24'
      ? 'BaseHTTP/0.3 Python/2.7.13'
      : 'BaseHTTP/0.6 Python/3.8.16';
  }

  #makeSource(hex: string): MediaSource {
    const { source, bitrate, gop, keyframes } = this.board.of(hex);
    return source === 'picture'
      ? new PictureSource()
      : new StampedSource({ bitrate, gop, keyframes });
  }

  #accept(socket: Socket): void {
    const { witness } = this;
    witness.connections += 1;
    witness.openSockets += 1;
    const gone = new AbortController();
    const leave = (): void => gone.abort();
    socket.on('end', leave).on('error', leave);
    socket.on('close', () => {
      leave();
      this.witness.openSockets -= 1;
    });
    const remoteIp = socket.remoteAddress ?? '';
    void serve(this, { socket, remoteIp, gone: gone.signal, frozen: () => this.#frozen });
  }

  #ended(session: Session, how: SessionEnd): void {
    this.witness.sessionEnded(session, how, Date.now());
    const connections = this.attached(session);
    this.#attached.delete(session);
    for (const feed of this.feeds) if (feed.session === session) feed.close('fin');
    for (const connection of connections) {
      this.witness.readerClosed(session);
      connection.socket.end();
    }
  }

  #run(): void {
    this.#timer = setInterval(() => this.#tick(Date.now()), this.knobs.tickMs);
  }

  #halt(): void {
    clearInterval(this.#timer);
    this.#life += 1;
  }

  #tick(now: number): void {
    if (this.#frozen) return;
    for (const feed of this.feeds) feed.tick(now);
    for (const session of this.table.live) {
      const how = this.#dueEnd(session, now);
      if (how) this.table.end(session, how);
    }
  }

  #dueEnd(session: Session, now: number): SessionEnd | null {
    const { inactivityMs, cutAfterMs, supersedeAfterMs, timeScale } = this.board.of(
      session.content,
    );
    const age = now - session.startedAt;
    if (cutAfterMs > 0 && age >= cutAfterMs * timeScale) return 'cut';
    if (supersedeAfterMs > 0 && age >= supersedeAfterMs * timeScale) return 'superseded';
    const feeds = [...this.feeds].filter((feed) => feed.session === session);
    // A player that waits for its first byte is not idle.
    if (feeds.length === 0 && this.attached(session).length > 0) session.lastActivity = now;
    const idle = now - session.lastActivity;
    return idle >= (session.inactivityMs ?? inactivityMs * timeScale) ? 'expired' : null;
  }
}

/** Starts an engine on a free port. The caller stops it. */
export async function startEngine(options: EngineOptions = {}): Promise<SimulatedEngine> {
  const engine = new SimulatedEngine(options);
  await engine.start();
  return engine;
}
