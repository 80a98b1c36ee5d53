// What a test tries from inside a guest: a Python program, given attempts as JSON, which prints what came of each.
import type { FlintlockClient } from '../../testing/flintlock-harness.ts';

const program = `
import json, socket, sys, threading, urllib.request
def get(url):
    return urllib.request.urlopen(url, timeout=4).read().decode()
def pace(url, size):
    # Bytes a second; with a size that many are sent, without one what is there is fetched.
    import time; began = time.monotonic()
    body = urllib.request.urlopen(url, bytes(size) if size else None, timeout=30).read()
    return (size or len(body)) / (time.monotonic() - began)
def resolve(name):
    return sorted({each[4][0] for each in socket.getaddrinfo(name, 80, socket.AF_INET)})
def udp(address, port, payload):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(4)
    s.sendto(bytes.fromhex(payload), (address, port)); return s.recv(4096).hex()
def tcp(address, port):
    s = socket.create_connection((address, port), 4); s.close(); return "connected"
def tcp6(address, port):
    s = socket.socket(socket.AF_INET6); s.settimeout(4); s.connect((address, port)); return "connected"
def spoof(source, address, port):
    # A SYN from a source that is not ours, with the answer awaited on the wire.
    import struct
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW); 
    def total(data):
        t = sum(struct.unpack("!%dH" % (len(data) // 2), data)); t = (t >> 16) + (t & 0xffff); return ~(t + (t >> 16)) & 0xffff
    src, dst = socket.inet_aton(source), socket.inet_aton(address)
    seg = struct.pack("!HHIIBBHHH", 4000, port, 1, 0, 5 << 4, 2, 1000, 0, 0)
    seg = seg[:16] + struct.pack("!H", total(src + dst + struct.pack("!BBH", 0, 6, len(seg)) + seg)) + seg[18:]
    w = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)); w.bind(("eth0", 0)); w.settimeout(3)
    s.sendto(struct.pack("!BBHHHBBH4s4s", 69, 0, 40, 1, 0, 64, 6, 0, src, dst) + seg, (address, 0))
    import time; end = time.time() + 3
    while time.time() < end:
        frame = w.recv(2048)
        if frame[26:30] == dst and frame[14 + 9] == 6: return "answered"
    return "nothing"
def interfaces():
    import os; return sorted(os.listdir("/sys/class/net"))
results = {}
def attempt(name, call, args):
    try: results[name] = globals()[call](*args)
    except Exception as e: results[name] = "failed: " + type(e).__name__ + ": " + str(e)
threads = [threading.Thread(target=attempt, args=(n, c, a)) for n, (c, *a) in json.load(sys.stdin).items()]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(results))
`;

type Call = 'get' | 'pace' | 'resolve' | 'udp' | 'tcp' | 'tcp6' | 'spoof' | 'interfaces';
export type Attempts = Record<string, [Call, ...(string | number)[]]>;

/** Makes all attempts at once; what came of each, by its name. One that failed says `failed: …`. */
export async function attempt(
  flintlock: FlintlockClient,
  uid: string,
  attempts: Attempts,
): Promise<Record<string, unknown>> {
  const process = { argv: ['python3', '-c', program], stdin: true };
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process } } };
    const stdin = new TextEncoder().encode(JSON.stringify(attempts));
    yield { body: { case: 'input' as const, value: { body: { case: 'stdin' as const, value: stdin } } } };
    yield { body: { case: 'input' as const, value: { body: { case: 'end' as const, value: true } } } };
  })();
  let [stdout, stderr] = ['', ''];
  for await (const { output } of flintlock.exec(requests)) {
    if (output?.body.case === 'stdout') stdout += Buffer.from(output.body.value).toString();
    if (output?.body.case === 'stderr') stderr += Buffer.from(output.body.value).toString();
  }
  if (stdout === '') throw new Error(`nothing came of the attempts: ${stderr}`);
  return JSON.parse(stdout);
}
