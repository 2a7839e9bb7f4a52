// Both sides' commands on a second engine, mingo, which has no indexes: what is left is the work of the stages themselves.
//
//   cargo bench --bench emitted -- --scale 0.02 --export target/emitted/data --commands target/emitted/commands.jsonl
//   npm install --prefix target/emitted mingo@7 bson
//   node benches/emitted/mingo.mjs target/emitted [--cap SECONDS] [--only NAME]
//
// A side that takes longer than the cap (20 seconds) is stopped: its ratio is then a bound, marked with > or <.

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

const root = path.resolve(isMainThread ? process.argv[2] : workerData);
const require = createRequire(pathToFileURL(path.join(root, "package.json")));
const { EJSON } = require("bson");
const { aggregate, Aggregator, Context } = require("mingo");

const plain = { relaxed: true };

// What mingo does not read as MongoDB does is written in another way, on both sides:
// - its $lookup runs a pipeline over the whole collection, whatever the fields say, and makes a hash of it each time: `$joined`
//   below joins by a hash of the foreign field that is made once, as an index is;
// - it does not know the zone UTC by name.
function readable(value) {
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const out = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === "timezone" && inner === "UTC") continue;
    const joined = key === "$lookup" && inner.localField !== undefined && inner.let === undefined;
    out[joined ? "$joined" : key] = readable(inner);
  }
  return out;
}

function joins(collections) {
  const hashes = new Map();
  const hash = (from, field) => {
    const name = `${from} ${field}`;
    if (!hashes.has(name)) {
      const documents = new Map();
      for (const document of collections[from] ?? []) {
        const key = at(document, field);
        const list = documents.get(key);
        if (list) list.push(document);
        else documents.set(key, [document]);
      }
      hashes.set(name, documents);
    }
    return hashes.get(name);
  };
  const at = (document, path) => path.split(".").reduce((value, key) => value?.[key], document) ?? null;
  return (documents, { from, localField, foreignField, as, pipeline }, options) => {
    const index = hash(from, foreignField);
    const inner = pipeline?.length ? new Aggregator(pipeline, options) : undefined;
    return documents.map((document) => {
      const found = index.get(at(document, localField)) ?? [];
      return { ...document, [as]: inner ? inner.run(found) : found };
    });
  };
}

// A command as a pipeline.
function pipeline(command) {
  if (command.aggregate) return [command.aggregate, readable(command.pipeline)];
  const stages = [];
  if (command.count) {
    stages.push({ $match: command.query ?? {} });
    if (command.skip) stages.push({ $skip: command.skip });
    if (command.limit) stages.push({ $limit: command.limit });
    return [command.count, [...stages, { $count: "n" }]];
  }
  if (command.distinct) {
    return [command.distinct, [{ $match: command.query ?? {} }, { $group: { _id: `$${command.key}` } }]];
  }
  stages.push({ $match: command.filter ?? {} });
  if (command.sort) stages.push({ $sort: command.sort });
  if (command.skip) stages.push({ $skip: command.skip });
  if (command.limit) stages.push({ $limit: command.limit });
  if (command.projection) stages.push({ $project: command.projection });
  return [command.find, stages];
}

// The thread that runs commands, so that it can be stopped.
function serve() {
  const collections = {};
  for (const file of fs.readdirSync(path.join(root, "data"))) {
    const lines = fs.readFileSync(path.join(root, "data", file), "utf8").trim().split("\n");
    collections[path.basename(file, ".jsonl")] = lines.map((line) => {
      const document = EJSON.parse(line, plain);
      if (document._id?.toHexString) document._id = document._id.toHexString();
      return document;
    });
  }
  const context = Context.init({ pipeline: { $joined: joins(collections) } });
  const options = { context, collectionResolver: (name) => collections[name] ?? [] };
  parentPort.on("message", (list) => {
    const commands = list.map((c) => pipeline(EJSON.deserialize(c, plain)));
    const times = [];
    let rows = 0;
    const begun = performance.now();
    try {
      do {
        const start = performance.now();
        rows = 0;
        for (const [name, stages] of commands) rows += aggregate(collections[name] ?? [], stages, options).length;
        times.push(performance.now() - start);
      } while (times.length < 15 && performance.now() - begun < 300);
      times.sort((a, b) => a - b);
      parentPort.postMessage({ rows, time: times[Math.floor(times.length / 2)] });
    } catch (e) {
      parentPort.postMessage({ error: e.message });
    }
  });
  parentPort.postMessage("ready");
}

let worker;

async function ready() {
  worker = new Worker(fileURLToPath(import.meta.url), { workerData: root });
  await new Promise((resolve) => worker.once("message", resolve));
}

// The median time of commands, or nothing if they take longer than the cap.
async function measure(commands, cap) {
  if (!worker) await ready();
  return new Promise((resolve) => {
    const timer = setTimeout(async () => {
      await worker.terminate();
      worker = undefined;
      resolve({ time: cap * 1000, stopped: true });
    }, cap * 1000);
    worker.once("message", (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    worker.postMessage(commands);
  });
}

async function main() {
  const option = (name) => {
    const at = process.argv.indexOf(name);
    return at < 0 ? undefined : process.argv[at + 1];
  };
  const cap = Number(option("--cap") ?? 20);
  const only = option("--only");
  const ratios = [];
  const refused = [];
  for (const line of fs.readFileSync(path.join(root, "commands.jsonl"), "utf8").trim().split("\n")) {
    const { name, group, same, ours, theirs } = JSON.parse(line);
    if (!same || !theirs || (only && only !== name && only !== group)) continue;
    let mine = await measure(ours, cap);
    let other = await measure(theirs, cap);
    // What is short is measured again, now that it is compiled.
    for (let i = 0; i < 2 && mine.time < 2000 && other.time < 2000; i++) {
      const again = [await measure(ours, cap), await measure(theirs, cap)];
      if (again[0].time < mine.time) mine = again[0];
      if (again[1].time < other.time) other = again[1];
    }
    const error = mine.error ?? other.error;
    const known = !mine.stopped && !other.stopped;
    if (error || (mine.stopped && other.stopped) || (known && mine.rows !== other.rows)) {
      refused.push(`${name}: ${error ?? (known ? `${mine.rows} and ${other.rows} documents` : "both are stopped")}`);
      continue;
    }
    const ratio = other.time / mine.time;
    const mark = other.stopped ? ">" : mine.stopped ? "<" : "";
    ratios.push({ name, group, ratio });
    const show = (n) => n.toFixed(2).padStart(11);
    console.log(`${name.padEnd(22)}${show(mine.time)} ms${show(other.time)} ms${(mark + ratio.toFixed(2)).padStart(12)}`);
  }
  const mean = (list) => Math.exp(list.reduce((sum, r) => sum + Math.log(r.ratio), 0) / Math.max(list.length, 1));
  const wrong = ratios.filter((r) => r.group === "wrong side");
  const rest = ratios.filter((r) => r.group !== "wrong side");
  console.log(`\ngeometric mean of ${ratios.length}: ${mean(ratios).toFixed(1)}; without joins from the wrong side ${mean(rest).toFixed(1)}`);
  console.log(`joins from the wrong side (${wrong.length}): ${mean(wrong).toFixed(1)}`);
  console.log(`slower than 1.1 times: ${ratios.filter((r) => r.ratio < 1 / 1.1).length}`);
  ratios.sort((a, b) => a.ratio - b.ratio);
  console.log("worst:", ratios.slice(0, 12).map((r) => `${r.name} ${r.ratio.toFixed(2)}`).join(", "));
  console.log(`left out, refused or read differently by mingo:\n  ${refused.join("\n  ")}`);
  await worker?.terminate();
}

if (isMainThread) await main();
else serve();
