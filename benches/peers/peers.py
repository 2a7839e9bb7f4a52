"""The work of a file of commands on mongomock, timed, as JSON on the standard output."""

import json
import sys
import time
from pathlib import Path

import mongomock


def run(db, command):
    if "find" in command:
        cursor = db[command["find"]].find(command.get("filter", {}))
        if "sort" in command:
            cursor = cursor.sort(list(command["sort"].items()))
        if "limit" in command:
            cursor = cursor.limit(command["limit"])
        return len(list(cursor))
    return len(list(db[command["aggregate"]].aggregate(command["pipeline"])))


def main():
    root = Path(sys.argv[1])
    work = json.loads((root / "work.json").read_text())
    db = mongomock.MongoClient().test
    for name, indexes in work["collections"].items():
        lines = (root / "data" / f"{name}.jsonl").read_text().splitlines()
        db[name].insert_many([json.loads(line) for line in lines])
        for key in indexes:
            db[name].create_index(list(key.items()))
    out = {}
    for task in work["tasks"]:
        commands = task["commands"][: task.get("slow")]
        best, rows, end = float("inf"), 0, time.monotonic() + 20
        for _ in range(3):
            start = time.perf_counter()
            rows = sum(run(db, command) for command in commands)
            best = min(best, time.perf_counter() - start)
            if time.monotonic() > end:
                break
        out[task["name"]] = {"seconds": best * len(task["commands"]) / len(commands), "rows": rows}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
