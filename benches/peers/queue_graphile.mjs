// graphile-worker: jobs that do nothing, enqueued and then executed. Arguments: folder with
// node_modules, what, URL, jobs, concurrency, a process that is not asked. With TUNED its queue is
// local and its completions are gathered, and jobs are added many at once. Prints what
// queue_celery.py prints.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [folder, , connectionString, count, concurrency] = process.argv.slice(2);
const { run, makeWorkerUtils } = createRequire(folder + "/")("graphile-worker");
const jobs = Number(count);
const tuned = Boolean(process.env.TUNED);
const SINGLE = 60;

const utils = await makeWorkerUtils({ connectionString, noPreparedStatements: false });
await utils.migrate();
let begun = performance.now();
if (tuned) {
  for (let sent = 0; sent < jobs; sent += 1000) {
    const size = Math.min(1000, jobs - sent);
    await utils.addJobs(
      Array.from({ length: size }, () => ({ identifier: "noop", payload: {} })),
    );
  }
} else {
  for (let sent = 0; sent < jobs; sent++) await utils.addJob("noop", {});
}
const enqueuing = performance.now() - begun;

let seen = 0;
let single;
const latencies = [];
const quiet = { error: console.error, warn() {}, info() {}, debug() {} };
const { Logger } = createRequire(folder + "/")("graphile-worker");
const cpu = process.cpuUsage();
begun = performance.now();
let over;
const done = new Promise((resolve) => (over = resolve));
const worker = await run({
  connectionString,
  concurrency: Number(concurrency),
  noHandleSignals: true,
  logger: new Logger(() => (level, message) => level === "error" && quiet.error(message)),
  ...(tuned && {
    preset: {
      worker: {
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  }),
  taskList: {
    noop: async (payload) => {
      if (payload.single) return single();
      if (++seen === jobs) over();
    },
  },
});
await done;
const executing = performance.now() - begun;
const used = process.cpuUsage(cpu);
for (let i = 0; i < SINGLE; i++) {
  await new Promise((wake) => setTimeout(wake, 30));
  const picked = new Promise((resolve) => (single = resolve));
  const sent = performance.now();
  await utils.addJob("noop", { single: true });
  await picked;
  latencies.push(performance.now() - sent);
}
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(Math.floor(SINGLE * share), SINGLE - 1)];
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
console.log(
  JSON.stringify({
    enqueued_s: (1000 * jobs) / enqueuing,
    executed_s: (1000 * jobs) / executing,
    cpu_us: (used.user + used.system) / jobs,
    server_us: 0,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    memory_mib: Number(peak[1]) / 1024,
  }),
);
process.exit(0);
