import type { Socket } from 'node:net'

/** Peers that are connected and have not shown a registered certificate: so many, and a limited share for each address. */
export class PendingPeers {
  /** Oldest first. */
  readonly #byAddress = new Map<string, Map<Socket, () => void>>()
  #size = 0

  constructor(
    private readonly most: number,
    private readonly mostOfOne: number,
  ) {}

  get size(): number {
    return this.#size
  }

  /**
   * Where there are too many, the oldest of this address goes, or that of the address which has most: a handshake that is meant takes
   * milliseconds, so it is through before a flood has pushed it out, and no address pushes out another that has less.
   * @param evict called when the peer has to go, and is counted no longer
   */
  add(socket: Socket, address: string, evict: () => void): void {
    const own = this.#byAddress.get(address) ?? new Map<Socket, () => void>()
    this.#byAddress.set(address, own)
    own.set(socket, evict)
    this.#size++
    if (own.size > this.mostOfOne) this.#evictFrom(address, own)
    else if (this.#size > this.most) {
      let [where, largest] = [address, own]
      for (const [one, peers] of this.#byAddress) if (peers.size > largest.size) [where, largest] = [one, peers]
      this.#evictFrom(where, largest)
    }
  }

  /** The peer is known now, or gone. */
  delete(socket: Socket, address: string): void {
    const own = this.#byAddress.get(address)
    if (!own?.delete(socket)) return
    this.#size--
    if (own.size === 0) this.#byAddress.delete(address)
  }

  #evictFrom(address: string, peers: ReadonlyMap<Socket, () => void>): void {
    for (const [socket, evict] of peers) {
      this.delete(socket, address)
      evict()
      return
    }
  }
}
