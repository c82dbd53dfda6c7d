import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One TCP connection of a player, as it is seen between the player and the proxy. */
export interface Line {
  readonly openedAt: number;
  /** The request head, without the empty line; empty until it came. */
  head: string;
  /** Status of the answer; `null` until it came. */
  status: number | null;
  /** Who ended it first; `null` while it is open. */
  closedBy: 'player' | 'proxy' | null;
}

/** Passes everything on between one player and the proxy, and keeps a list of its connections. */
export class Relay {
  readonly lines: Line[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#server = createServer((player) => this.#join(player, connect(target, '127.0.0.1')));
  }

  static async open(target: number): Promise<Relay> {
    const relay = new Relay(target);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Connections that asked for media. */
  get media(): readonly Line[] {
    return this.lines.filter(({ head }) => /^[A-Z]+ \/ace\//.test(head));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(player: Socket, proxy: Socket): void {
    const line: Line = { openedAt: Date.now(), head: '', status: null, closedBy: null };
    this.lines.push(line);
    player.once('data', (bytes) => {
      [line.head = ''] = bytes.toString('latin1').split('\r\n\r\n');
    });
    proxy.once('data', (bytes) => {
      line.status = Number(/^HTTP\/1\.\d (\d+)/.exec(bytes.toString('latin1', 0, 20))?.[1] ?? 0);
    });
    this.#pass(player, proxy, () => (line.closedBy ??= 'player'));
    this.#pass(proxy, player, () => (line.closedBy ??= 'proxy'));
  }

  #pass(from: Socket, to: Socket, ended: () => void): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', ended).on('end', ended);
    from.on('close', () => {
      ended();
      this.#sockets.delete(from);
      to.end();
    });
    from.pipe(to);
  }
}
