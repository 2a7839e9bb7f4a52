#!/usr/bin/env python3
"""The same work on the embedded engine, on mongomock and on mingo; prints times and ratios.

    python3 benches/peers/run.py

Needs cargo, Python's venv, and npm for mingo. What is installed and the data go to target/peers.
The documents and commands are plain JSON, the same for all three, and all three hand out lists of their own documents. Where a peer takes very long (it joins by reading the whole other collection for each row), it
gets the first commands or rows of the task only and its time is scaled up; such times are marked with *.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
ROOT = REPOSITORY / "target" / "peers"
PEOPLE, ORDERS = 100_000, 10_000
# Rows of the other side of a join that a peer without index look-ups gets.
SLOW_ORDERS = 20


def write_work():
    (ROOT / "data").mkdir(parents=True, exist_ok=True)
    with open(ROOT / "data" / "people.jsonl", "w") as out:
        for i in range(PEOPLE):
            person = {
                "_id": i, "name": f"customer {i}", "city": f"city {i % 97}", "age": 18 + i % 60, "amount": (i % 1000) / 4,
                "tags": ["a", "b", f"t{i % 10}"], "address": {"zip": i % 5000, "street": "Long Street"},
            }
            out.write(json.dumps(person) + "\n")
    with open(ROOT / "data" / "orders.jsonl", "w") as out:
        for i in range(ORDERS):
            out.write(json.dumps({"_id": i, "person": i * 7 % PEOPLE, "zip": i % 5000}) + "\n")

    def aggregate(*pipeline, on="people"):
        return {"aggregate": on, "pipeline": list(pipeline), "cursor": {}}

    def join(first):
        # One command for each slice of the orders, so that a slow peer can be given fewer.
        return [
            aggregate(
                {"$match": {"_id": {"$gte": start, "$lt": start + SLOW_ORDERS}}},
                {"$lookup": {"from": "people", "localField": "person", "foreignField": "_id", "as": "p"}},
                on="orders",
            )
            for start in range(0, first, SLOW_ORDERS)
        ]

    group = {"_id": "$city", "n": {"$sum": 1}, "total": {"$sum": "$amount"}, "oldest": {"$max": "$age"}}
    points = range(0, 3100, 31)
    work = {
        "collections": {"people": [{"name": 1}], "orders": []},
        "tasks": [
            {"name": "match and group, 100,000", "commands": [aggregate({"$match": {"age": {"$gte": 30}}}, {"$group": group})]},
            {"name": "lookup, 10,000 x 100,000", "commands": join(ORDERS), "slow": 1},
            {"name": "sort and limit", "commands": [{"find": "people", "sort": {"amount": -1, "address.zip": 1}, "limit": 10}]},
            {"name": "filter", "commands": [{"find": "people", "filter": {"age": {"$gte": 70}, "address.zip": {"$lt": 2500}}}]},
            {"name": "unwind and group", "commands": [aggregate({"$unwind": "$tags"}, {"$group": {"_id": "$tags", "n": {"$sum": 1}}})]},
            {"name": "find by _id, 100 times", "commands": [{"find": "people", "filter": {"_id": i}} for i in points], "slow": 10},
            {"name": "find by index, 100 times", "commands": [{"find": "people", "filter": {"name": f"customer {i}"}} for i in points], "slow": 10},
        ],
    }
    (ROOT / "work.json").write_text(json.dumps(work))
    return work


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def engine():
    return last_json(run("cargo", "bench", "-q", "-p", "mqlc-executors", "--bench", "peers", "--", ROOT, cwd=REPOSITORY))


def mongomock():
    home = ROOT / "venv"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        run(python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt")
    return last_json(run(python, HERE / "peers.py", ROOT))


def mingo():
    home = ROOT / "node"
    if not (home / "node_modules" / "mingo").exists():
        home.mkdir(exist_ok=True)
        (home / "package.json").write_text((HERE / "package.json").read_text())
        run("npm", "install", "--silent", "--no-audit", "--no-fund", cwd=home)
    return last_json(run("node", HERE / "peers.mjs", ROOT, home))


def main():
    work = write_work()
    results = {"engine": engine()}
    for name, peer in (("mongomock", mongomock), ("mingo", mingo)):
        try:
            results[name] = peer()
        except (OSError, subprocess.CalledProcessError, IndexError) as e:
            print(f"{name}: {e}", file=sys.stderr)
    print(f"{'work':<28} {'engine':>10} {'mongomock':>12} {'ratio':>8} {'mingo':>12} {'ratio':>8}")
    for task in work["tasks"]:
        ours = results["engine"][task["name"]]["seconds"]
        line = f"{task['name']:<28} {ours * 1000:>8.2f}ms"
        for peer in ("mongomock", "mingo"):
            theirs = results.get(peer, {}).get(task["name"])
            if theirs is None:
                line += f" {'-':>12} {'-':>8}"
                continue
            mark = "*" if "slow" in task else " "
            line += f" {theirs['seconds'] * 1000:>9.1f}ms{mark} {theirs['seconds'] / ours:>7.0f}x"
        print(line)


if __name__ == "__main__":
    main()
