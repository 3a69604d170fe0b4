import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Below the ports that the kernel gives to outgoing connections and to listeners that ask for any. */
const FIRST = 20_000;
const PORTS = 12_000;
/** How far apart two processes with successive ids begin, so that they rarely use the same ports. */
const APART = 61;

let next = process.pid * APART % PORTS;

/** A port that nobody else gets while nobody listens on it, so that a server can be away and find it again. */
export async function freePort() {
  for (;;) {
    const port = FIRST + next;
    next = (next + 1) % PORTS;
    const probe = createServer().listen(port, '127.0.0.1');
    try {
      await once(probe, 'listening');
    } catch (error) {
      if (error.code === 'EADDRINUSE') continue;
      throw error;
    }
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

/** Something listens on this port. */
export async function isOpen(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
