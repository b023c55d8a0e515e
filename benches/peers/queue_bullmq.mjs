// BullMQ: jobs that do nothing, or sleep, enqueued and then executed. Arguments: folder with
// node_modules, noop or slow, URL of Redis, jobs, concurrency, process of Redis. Prints what
// queue_celery.py prints.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [folder, what, url, count, concurrency, server] = process.argv.slice(2);
const { Queue, Worker } = createRequire(folder + "/")("bullmq");
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const jobs = Number(count);
const slow = what === "slow";
const SINGLE = slow ? 0 : 60;
const serverCpu = () => {
  const fields = readFileSync(`/proc/${server}/stat`, "utf8").split(")").pop().trim().split(/\s+/);
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const queue = new Queue("bench", { connection });
let begun = performance.now();
for (let sent = 0; sent < jobs; sent += 1000) {
  const size = Math.min(1000, jobs - sent);
  await queue.addBulk(Array.from({ length: size }, () => ({ name: "noop", data: {} })));
}
const enqueuing = performance.now() - begun;

let seen = 0;
let single;
const latencies = [];
const [cpu, redis] = [process.cpuUsage(), serverCpu()];
begun = performance.now();
await new Promise((over) => {
  const work = async (job) => {
    if (job.data.single) return single();
    if (slow) await new Promise((wake) => setTimeout(wake, 1000));
    if (++seen === jobs) over();
  };
  new Worker("bench", work, { connection, concurrency: Number(concurrency) });
});
const executing = performance.now() - begun;
const used = process.cpuUsage(cpu);
const redisUsed = serverCpu() - redis;
for (let i = 0; i < SINGLE; i++) {
  await new Promise((wake) => setTimeout(wake, 30));
  const picked = new Promise((resolve) => (single = resolve));
  const sent = performance.now();
  await queue.add("noop", { single: true });
  await picked;
  latencies.push(performance.now() - sent);
}
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(Math.floor(SINGLE * share), SINGLE - 1)] ?? 0;
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
console.log(
  JSON.stringify({
    enqueued_s: (1000 * jobs) / enqueuing,
    executed_s: (1000 * jobs) / executing,
    cpu_us: (used.user + used.system) / jobs,
    server_us: (1e6 * redisUsed) / jobs,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    memory_mib: Number(peak[1]) / 1024,
  }),
);
process.exit(0);
