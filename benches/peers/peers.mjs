// The work of a file of commands on mingo, timed, as JSON on the standard output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [root, modules] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const mingo = require("mingo");
try {
  require("mingo/init/system");
} catch {
  // Later versions know all operators from the start.
}

const work = JSON.parse(readFileSync(join(root, "work.json"), "utf8"));
const collections = {};
for (const name of Object.keys(work.collections)) {
  const lines = readFileSync(join(root, "data", `${name}.jsonl`), "utf8").split("\n");
  collections[name] = lines.filter((line) => line).map((line) => JSON.parse(line));
}
const options = { collectionResolver: (name) => collections[name] };

function run(command) {
  if (command.find) {
    let cursor = new mingo.Query(command.filter ?? {}, options).find(collections[command.find]);
    if (command.sort) cursor = cursor.sort(command.sort);
    if (command.limit) cursor = cursor.limit(command.limit);
    return cursor.all().length;
  }
  return new mingo.Aggregator(command.pipeline, options).run(collections[command.aggregate]).length;
}

const out = {};
for (const task of work.tasks) {
  const commands = task.commands.slice(0, task.slow ?? task.commands.length);
  let best = Infinity;
  let rows = 0;
  const end = performance.now() + 20_000;
  for (let i = 0; i < 3 && performance.now() < end; i++) {
    const start = performance.now();
    rows = commands.reduce((n, command) => n + run(command), 0);
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  out[task.name] = { seconds: (best * task.commands.length) / commands.length, rows };
}
console.log(JSON.stringify(out));
