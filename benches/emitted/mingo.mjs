// Both sides' commands on a second engine, mingo, which has no indexes: what is left is the work of the stages themselves.
//
//   cargo bench --bench emitted -- --scale 0.01 --export target/emitted/data --commands target/emitted/commands.jsonl
//   npm install --prefix target/emitted mingo@7 bson
//   node benches/emitted/mingo.mjs target/emitted

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const root = path.resolve(process.argv[2]);
const require = createRequire(pathToFileURL(path.join(root, "package.json")));
const { EJSON } = require("bson");
const { aggregate } = require("mingo");

const plain = { relaxed: true };
const collections = {};
for (const file of fs.readdirSync(path.join(root, "data"))) {
  const lines = fs.readFileSync(path.join(root, "data", file), "utf8").trim().split("\n");
  collections[path.basename(file, ".jsonl")] = lines.map((line) => {
    const document = EJSON.parse(line, plain);
    if (document._id?.toHexString) document._id = document._id.toHexString();
    return document;
  });
}

// mingo reads either the fields or the pipeline of a $lookup: the equality becomes a condition of the pipeline, on both sides.
function readable(stages) {
  return stages.map((stage) => {
    for (const name of ["$lookup", "$unionWith"]) {
      const body = stage[name];
      if (!body?.pipeline) continue;
      const { localField, foreignField, pipeline, ...rest } = body;
      const inner = readable(pipeline);
      if (localField === undefined) return { [name]: { ...body, pipeline: inner } };
      if (inner.length === 0) return { [name]: { ...rest, localField, foreignField } };
      const equal = { $match: { $expr: { $eq: [`$${foreignField}`, "$$local_key"] } } };
      return { [name]: { ...rest, let: { ...rest.let, local_key: `$${localField}` }, pipeline: [equal, ...inner] } };
    }
    return stage;
  });
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

const options = { collectionResolver: (name) => collections[name] ?? [] };

function run(commands) {
  let rows = 0;
  for (const [name, stages] of commands) rows += aggregate(collections[name] ?? [], stages, options).length;
  return rows;
}

function time(commands) {
  const times = [];
  const begun = performance.now();
  do {
    const start = performance.now();
    run(commands);
    times.push(performance.now() - start);
  } while (times.length < 15 && performance.now() - begun < 300);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
}

const ratios = [];
const refused = [];
for (const line of fs.readFileSync(path.join(root, "commands.jsonl"), "utf8").trim().split("\n")) {
  const { name, group, same, ours, theirs } = JSON.parse(line);
  if (!same || !theirs) continue;
  const both = [ours, theirs].map((list) => list.map((c) => pipeline(EJSON.deserialize(c, plain))));
  try {
    const rows = both.map(run);
    if (rows[0] !== rows[1]) {
      refused.push(`${name}: ${rows[0]} and ${rows[1]} documents`);
      continue;
    }
    const [mine, other] = both.map(time);
    const ratio = other / mine;
    ratios.push({ name, group, ratio });
    console.log(`${name.padEnd(22)}${mine.toFixed(2).padStart(10)} ms${other.toFixed(2).padStart(10)} ms${ratio.toFixed(2).padStart(10)}`);
  } catch (e) {
    refused.push(`${name}: ${e.message}`);
  }
}
const mean = (list) => Math.exp(list.reduce((sum, r) => sum + Math.log(r.ratio), 0) / Math.max(list.length, 1));
const wrong = ratios.filter((r) => r.group === "wrong side");
console.log(`\ngeometric mean of ${ratios.length}: ${mean(ratios).toFixed(1)}; joins from the wrong side: ${mean(wrong).toFixed(1)}`);
ratios.sort((a, b) => a.ratio - b.ratio);
console.log("worst:", ratios.slice(0, 8).map((r) => `${r.name} ${r.ratio.toFixed(2)}`).join(", "));
console.log(`left out, refused or read differently by mingo:\n  ${refused.join("\n  ")}`);
