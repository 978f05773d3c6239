#!/usr/bin/env node
// TCP proxy that makes a network as bad as a test wants it. Needs node 18 or later and nothing else.
//   node fault-proxy.mjs LISTEN_PORT TARGET_HOST:PORT [CONTROL_PORT, else LISTEN_PORT + 1]
// The control port is described in README.md. All ports are on 127.0.0.1.
import http from 'node:http';
import net from 'node:net';

const [listenArgument, targetArgument, controlArgument] = process.argv.slice(2);
const listenPort = Number(listenArgument);
const controlPort = Number(controlArgument ?? listenPort + 1);
const [, targetHost, targetPort] = /^(?:(.+):)?(\d+)$/.exec(targetArgument ?? '') ?? [];
if (!Number.isInteger(listenPort) || !targetPort || !Number.isInteger(controlPort)) {
  console.error('usage: fault-proxy.mjs LISTEN_PORT TARGET_HOST:PORT [CONTROL_PORT]');
  process.exit(2);
}

// 0 means "off" everywhere.
const noFaults = Object.freeze({
  latency: 0, // ms added to each direction
  up: 0, // bytes per second from client to target, for each connection
  down: 0, // the same from target to client
  cutUp: 0, // reset a connection after exactly this many bytes went up
  cutDown: 0, // the same for bytes that came down
  cuts: 0, // how many connections cutUp and cutDown may still reset; 0 = all
  blackhole: 0, // 1 = connections stay open, nothing passes; what arrived meanwhile passes when it is 0 again
  refuse: 0, // 1 = new connections are reset at once
  answer: 0, // the next this many HTTP requests get the answer below and never reach the target
  status: 503,
  retryAfter: 0, // seconds, sent as Retry-After
  match: '', // "answer" takes only requests whose first line contains this, such as "PUT " or "uploads"
});
const faults = { ...noFaults };
const counts = { connections: 0, refused: 0, cut: 0, answered: 0, requests: 0, bytesUp: 0, bytesDown: 0 };
const connections = new Set();

// Bytes on their way in one direction. The queue holds what latency and bandwidth delay; past its limit the
// sender is paused, so a slow link is felt as a slow link and memory stays bounded.
class Pipe {
  static queueLimit = 4 << 20;

  constructor(connection, source, sink, { rate, cut, count }) {
    Object.assign(this, { connection, source, sink, rate, cut, count });
    this.queue = [];
    this.queued = 0;
    this.passed = 0;
    this.linkFreeAt = 0;
    this.timer = null;
    sink.on('drain', () => this.run());
  }

  // A chunk may leave once its latency is over; an end of stream travels in the same queue, behind the data.
  add(chunk) {
    this.queue.push({ chunk, due: performance.now() + faults.latency });
    this.queued += chunk?.length ?? 0;
    if (this.queued > Pipe.queueLimit) this.source.pause();
    this.run();
  }

  run() {
    clearTimeout(this.timer);
    this.timer = null;
    while (this.queue.length > 0 && !this.connection.closed && !faults.blackhole && !this.sink.writableNeedDrain) {
      const entry = this.queue[0];
      const wait = Math.max(entry.due, this.linkFreeAt) - performance.now();
      if (wait > 0) {
        this.timer = setTimeout(() => this.run(), Math.ceil(wait));
        return;
      }
      if (entry.chunk === null) {
        this.queue.shift();
        this.sink.end();
        return;
      }
      this.send(entry);
    }
  }

  send(entry) {
    const limit = faults[this.cut];
    const rate = faults[this.rate];
    let size = entry.chunk.length;
    if (rate > 0) size = Math.min(size, Math.max(1, Math.floor(rate / 20))); // a limited link sends in steps of 50 ms
    if (limit > 0) size = Math.min(size, Math.max(0, limit - this.passed));
    if (size > 0) {
      this.sink.write(entry.chunk.subarray(0, size));
      this.passed += size;
      counts[this.count] += size;
    }
    if (rate > 0) this.linkFreeAt = Math.max(this.linkFreeAt, performance.now() - 50) + (size * 1000) / rate;
    this.queued -= size;
    if (size === entry.chunk.length) this.queue.shift();
    else entry.chunk = entry.chunk.subarray(size);
    if (this.queued <= Pipe.queueLimit / 2) this.source.resume();
    if (limit > 0 && this.passed >= limit) this.connection.cutAfterFlush(this.sink);
  }
}

class Connection {
  constructor(client) {
    this.closed = false;
    this.client = client;
    this.target = net.connect({ host: targetHost ?? '127.0.0.1', port: Number(targetPort), allowHalfOpen: true, noDelay: true });
    this.up = new Pipe(this, client, this.target, { rate: 'up', cut: 'cutUp', count: 'bytesUp' });
    this.down = new Pipe(this, this.target, client, { rate: 'down', cut: 'cutDown', count: 'bytesDown' });
    this.requests = new RequestReader(this);
    client.on('data', (chunk) => this.requests.read(chunk));
    client.on('end', () => this.requests.end());
    this.target.on('data', (chunk) => this.down.add(chunk));
    this.target.on('end', () => this.down.add(null));
    for (const socket of [client, this.target]) {
      socket.on('error', () => this.reset());
      socket.on('close', () => {
        if (client.destroyed && this.target.destroyed) this.forget();
      });
    }
    connections.add(this);
  }

  forget() {
    this.closed = true;
    clearTimeout(this.up.timer);
    clearTimeout(this.down.timer);
    connections.delete(this);
  }

  reset() {
    if (this.closed) return;
    this.forget();
    this.client.resetAndDestroy();
    this.target.resetAndDestroy();
  }

  // A reset throws away what the kernel has not sent: the bytes up to the cut go out first.
  cutAfterFlush(sink) {
    if (this.closed) return;
    this.forget();
    counts.cut++;
    if (faults.cuts > 0 && --faults.cuts === 0) faults.cutUp = faults.cutDown = 0;
    const finish = () => {
      this.client.resetAndDestroy();
      this.target.resetAndDestroy();
    };
    sink.write('', () => setTimeout(finish, 20));
    setTimeout(finish, 1000).unref();
  }
}

// Follows the requests of a connection just far enough to know where each begins, so that "answer" refuses whole requests
// and lets the others pass untouched. What does not look like HTTP/1 is passed on as plain bytes, for good.
class RequestReader {
  static longestHead = 64 << 10;

  constructor(connection) {
    this.connection = connection;
    this.buffer = Buffer.alloc(0);
    this.state = 'head';
    this.remaining = 0;
    this.forwarding = true;
  }

  read(chunk) {
    let data = this.buffer.length > 0 ? Buffer.concat([this.buffer, chunk]) : chunk;
    this.buffer = Buffer.alloc(0);
    while (data.length > 0 && !this.connection.closed) {
      const used = this[this.state](data);
      if (used === 0) {
        this.buffer = data;
        return;
      }
      data = data.subarray(used);
    }
  }

  end() {
    if (this.buffer.length > 0) this.bytes(this.buffer);
    this.connection.up.add(null);
  }

  // The readers take what they can from the data and say how much that was; 0 asks for more.
  head(data) {
    if (!/^[A-Z]{0,10}($| )/.test(data.subarray(0, 11).toString('latin1'))) return this.plain(data);
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return data.length > RequestReader.longestHead ? this.plain(data) : 0;
    const head = data.subarray(0, end).toString('latin1');
    const firstLine = head.split('\r\n', 1)[0];
    if (!/ HTTP\/1\.[01]$/.test(firstLine)) return this.plain(data);
    counts.requests++;
    this.forwarding = faults.answer === 0 || !firstLine.includes(faults.match);
    const chunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(head);
    this.remaining = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    this.chunked = chunked;
    this.state = chunked ? 'chunkSize' : this.remaining > 0 ? 'body' : 'head';
    if (this.forwarding) this.connection.up.add(data.subarray(0, end + 4));
    else this.answer(head);
    return end + 4;
  }

  answer(head) {
    faults.answer--;
    counts.answered++;
    // Kept open the connection needs its body read; a client that asked "Expect: 100-continue" may never send one.
    const close = /\r\nexpect:/i.test(head);
    const lines = [`HTTP/1.1 ${faults.status} ${http.STATUS_CODES[faults.status] ?? 'Fault'}`];
    if (faults.retryAfter > 0) lines.push(`Retry-After: ${faults.retryAfter}`);
    if (close) lines.push('Connection: close');
    this.connection.down.add(Buffer.from([...lines, 'Content-Length: 0', '', ''].join('\r\n')));
    if (close) {
      this.connection.down.add(null);
      this.state = 'dropped';
    }
  }

  body(data) {
    const size = Math.min(data.length, this.remaining);
    this.pass(data.subarray(0, size));
    this.remaining -= size;
    if (this.remaining === 0) this.state = this.chunked ? 'chunkEnd' : 'head';
    return size;
  }

  chunkSize(data) {
    return this.line(data, (text) => {
      this.remaining = Number.parseInt(text, 16);
      this.state = this.remaining > 0 ? 'body' : 'trailer';
    });
  }

  chunkEnd(data) {
    return this.line(data, () => {
      this.state = 'chunkSize';
    });
  }

  trailer(data) {
    return this.line(data, (text) => {
      if (text === '') this.state = 'head';
    });
  }

  line(data, take) {
    const end = data.indexOf('\r\n');
    if (end < 0) return data.length > RequestReader.longestHead ? this.plain(data) : 0;
    this.pass(data.subarray(0, end + 2));
    take(data.subarray(0, end).toString('latin1'));
    return end + 2;
  }

  dropped(data) {
    return data.length;
  }

  bytes(data) {
    this.connection.up.add(data);
    return data.length;
  }

  plain(data) {
    this.state = 'bytes';
    return this.bytes(data);
  }

  pass(data) {
    if (this.forwarding) this.connection.up.add(data);
  }
}

function change(parameters) {
  const wanted = {};
  for (const [name, text] of parameters) {
    if (!Object.hasOwn(noFaults, name)) throw new Error(`no setting '${name}': ${Object.keys(noFaults).join(' ')}`);
    wanted[name] = name === 'match' ? text : Number(text);
    if (name !== 'match' && !(wanted[name] >= 0 && wanted[name] < Infinity)) throw new Error(`'${name}' wants a number from 0 up`);
  }
  Object.assign(faults, wanted);
  wakeAll();
}

// What a changed setting no longer holds back must move now, not at the next byte.
function wakeAll() {
  for (const connection of connections) {
    connection.up.run();
    connection.down.run();
  }
}

function control(request, response) {
  const url = new URL(request.url, 'http://localhost');
  let status = 200;
  let result;
  try {
    if (url.pathname === '/set') change(url.searchParams);
    else if (url.pathname === '/reset') change(Object.entries(noFaults));
    else if (url.pathname === '/cut') {
      counts.cut += connections.size;
      for (const connection of [...connections]) connection.reset();
    } else if (url.pathname !== '/stat') throw new Error('paths: /set?name=value&... /reset /cut /stat');
    result = { faults, counts: { ...counts, open: connections.size } };
  } catch (error) {
    status = 400;
    result = { error: error.message };
  }
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
  response.end(`${JSON.stringify(result)}\n`);
}

function fail(error) {
  console.error(`fault-proxy: ${error.message}`);
  process.exit(1);
}

const proxy = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  if (faults.refuse) {
    counts.refused++;
    client.resetAndDestroy();
    return;
  }
  counts.connections++;
  new Connection(client);
});
proxy.on('error', fail);
proxy.listen(listenPort, '127.0.0.1', () => {
  const controller = http.createServer(control);
  controller.on('error', fail);
  // The control port answers last: who reaches it can use the proxy.
  controller.listen(controlPort, '127.0.0.1');
});
