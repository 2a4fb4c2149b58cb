/**
 * Relays: processes that copy between standard input and output and something else, until one side ends. Each is a script for
 * Node.js. (A shell's pipe does not do: ssh makes its standard output non-blocking, and with it the socket that another program
 * reads from.)
 */

/** Joins standard input and output with a socket, descriptor 3. */
const SOCKET = `
const socket = new (require('node:net').Socket)({ fd: 3 });
socket.on('error', () => process.exit(1)).on('close', () => process.exit(0));
process.stdin.pipe(socket).pipe(process.stdout);`;

/** Joins them with those of a command, which is sent a request first: hexadecimal digits, the command, its arguments. */
const COMMAND = `
const [request, name, ...args] = process.argv.slice(1);
const child = require('node:child_process').spawn(name, args, { stdio: ['pipe', 'pipe', 'inherit'] });
child.on('error', ({ message }) => { console.error(message); process.exit(127); });
child.on('close', (status) => process.exit(status ?? 1));
child.stdin.on('error', () => undefined).write(Buffer.from(request, 'hex'));
process.stdin.pipe(child.stdin);
child.stdout.pipe(process.stdout);`;

/** What is run with a socket as its descriptor 3. */
export const socketRelay = (): [string, string[]] => [process.execPath, ['-e', SOCKET]];

/** What is run to speak with a command, once that has its request. */
export const commandRelay = (request: Buffer, command: readonly string[]): string[] => [
  ...[process.execPath, '-e', COMMAND, '--', request.toString('hex')],
  ...command,
];
