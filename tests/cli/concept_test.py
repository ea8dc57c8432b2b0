#!/usr/bin/env python3
"""Learns WordNet with `neuroplex concept`, and holds what was learnt against a
count of the data files by other means; asks it; kills a process that learns.

usage: concept_test.py PATH-OF-NEUROPLEX
"""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

WORDNET = pathlib.Path("/usr/share/wordnet")
DEADLINE_S = 300

# As `concept load wordnet` names the kinds of pointers.
NAMES = {
    "!": "antonym", "@": "hypernym", "@i": "instance_hypernym",
    "~": "hyponym", "~i": "instance_hyponym", "#m": "member_holonym",
    "#s": "substance_holonym", "#p": "part_holonym", "%m": "member_meronym",
    "%s": "substance_meronym", "%p": "part_meronym", "=": "attribute",
    "+": "derivation", "*": "entailment", ">": "cause", "^": "also_see",
    "$": "verb_group", "&": "similar", "<": "participle", "\\": "pertainym",
    ";c": "topic", "-c": "topic_member", ";r": "region",
    "-r": "region_member", ";u": "usage", "-u": "usage_member",
}


def recount():
    """Synsets, pointers by kind, and pointers that differ in anything."""
    synsets = 0
    kinds = collections.Counter()
    different = set()
    for part in ("noun", "verb", "adj", "adv"):
        for line in open(WORDNET / f"data.{part}", encoding="latin-1"):
            if line.startswith("  "):
                continue
            fields = line.split(" | ")[0].split()
            synsets += 1
            at = 4 + 2 * int(fields[3], 16)
            for i in range(int(fields[at])):
                pointer = fields[at + 1 + 4 * i:at + 5 + 4 * i]
                kinds[NAMES[pointer[0]]] += 1
                different.add((part, fields[0], *pointer))
    return synsets, kinds, len(different)


class Command:
    def __init__(self, program, store):
        self.program = program
        self.store = store

    def run(self, *arguments, text=None, refused=False):
        done = subprocess.run(
            [self.program, "concept", *arguments, "--store", self.store],
            input=text, capture_output=True, text=True, timeout=DEADLINE_S,
            check=False)
        if not refused:
            assert done.returncode == 0, (arguments, done)
            return done.stdout
        # One line, and the status of an error that was foreseen.
        assert done.returncode in range(2, 7), (arguments, done)
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def json(self, *arguments, text=None):
        return json.loads(self.run(*arguments, "--output", "json", text=text))


def check_wordnet(command, pictures):
    synsets, kinds, different = recount()
    learnt = command.json("load", "wordnet")
    assert learnt["concepts"] == synsets, learnt
    assert learnt["associations_by_type"] == kinds, learnt
    assert learnt["associations_read"] == kinds.total(), learnt
    assert learnt["edges"] == different, (learnt, different)

    kept = command.json("stats")
    assert kept["concepts"] == synsets and kept["edges"] == different, kept
    assert kept["replayed_entries"] == 0, kept

    picture = pictures / "path.svg"
    found = command.json("path", "dog.n.01", "cat.n.01", "--picture", picture)
    steps = found["paths"][0]["steps"]
    assert steps[0]["concept"] == "dog.n.01", steps
    assert steps[-1]["concept"] == "cat.n.01", steps
    assert found["paths"][0]["length"] == 3, found
    drawn = picture.read_text(encoding="utf-8")
    assert drawn.startswith("<svg ") and ">dog.n.01<" in drawn
    # By hypernyms and hyponyms of animals alone it is one step longer.
    kinds_only = command.json("path", "dog.n.01", "feline.n.01",
                              "--type", "hypernym", "--type", "hyponym")
    assert [s["concept"] for s in kinds_only["paths"][0]["steps"]] == [
        "dog.n.01", "canine.n.02", "carnivore.n.01", "feline.n.01"]
    several = command.json("path", "dog.n.01", "cat.n.01", "--count", "3")
    costs = [path["cost"] for path in several["paths"]]
    assert len(costs) == 3 and costs == sorted(costs) and costs[0] == 3, costs
    assert "dog.n.01 is a kind of " in command.run(
        "explain", "dog.n.01", "cat.n.01")

    cut = command.run("path", "dog.n.01", "cat.n.01", "--depth", "1",
                      refused=True)
    assert "bound of depth" in cut, cut
    assert "no such concept" in command.run("neighbors", "dgo.n.01", refused=True)
    assert "no such type" in command.run("path", "dog.n.01", "cat.n.01",
                                         "--type", "hyper", refused=True)
    near = command.json("neighbors", "dog.n.01", "--type", "hypernym")
    assert {n["concept"] for n in near["neighbors"]} == {
        "canine.n.02", "domestic_animal.n.01"}, near
    assert any(each["concept"] == "dog.n.01" for each in
               command.json("search", "dog, domestic dog")["concepts"])
    assert command.json("spread", "dog.n.01", "--limit", "5")["activated"]


def check_lines(command):
    lines = "\n".join([
        '{"id":"a","content":"one\\ntwo","vector":[1,0]}',
        '{"id":"b","attributes":{"colour":"red"}}',
        '{"source":"a","target":"b","type":"near","weight":2.5}',
    ])
    learnt = command.json("load", "jsonl", "-", text=lines)
    assert (learnt["concepts"], learnt["edges"]) == (2, 1), learnt
    near = command.json("neighbors", "a")["neighbors"]
    assert near[0]["concept"] == "b" and near[0]["weight"] == 2.5, near
    # What is wrong is told with its line, and changes nothing.
    for wrong in ('{"id":""}', '{"id":"c","strength":-1}', "[1]", '{"id":"c"',
                  '{"id":"c","more":1}', '{"id":"c","vector":[1e99]}',
                  '{"source":"a","target":"b"}',
                  '{"source":"a","target":"b","type":"near","weight":-1}'):
        told = command.run("load", "jsonl", "-", text=wrong, refused=True)
        assert "<stdin>:1: " in told, told
    # Its ends are not known, or its vector is longer than the others.
    for wrong in ('{"source":"a","target":"z","type":"near"}',
                  '{"id":"c","vector":[1,2,3]}'):
        command.run("load", "jsonl", "-", text=wrong, refused=True)
    kept = command.json("stats")
    assert (kept["concepts"], kept["edges"]) == (2, 1), kept


def check_vectors(command, folder):
    command.json("load", "jsonl", "-", text="\n".join([
        '{"id":"north","vector":[0,1]}', '{"id":"east","vector":[1,0]}',
        '{"id":"far east","vector":[9,1]}', '{"id":"nowhere"}',
        '{"source":"north","target":"east","type":"right of"}',
        '{"source":"far east","target":"east","type":"beyond"}']))

    def names(*arguments, text=None):
        return [each["concept"] for each in
                command.json("search", *arguments, text=text)["concepts"]]

    assert names("--vector", "2,0.2", "--limit", "2") == ["far east", "east"]
    assert names("--vector", "2,0.2", "--metric", "l2")[0] == "east"
    assert names("--vector", "-", text="[-1, 0]")[0] == "north"
    file = folder / "vector.json"
    file.write_text("[0, 3]", encoding="utf-8")
    assert names("--vector", file, "--limit", "1") == ["north"]
    # Who is asked about is not told of.
    assert names("--like", "east") == ["far east", "north"]
    file.write_text("[0, 3", encoding="utf-8")
    for wrong in (["--like", "nowhere"], ["--like", "nobody"], [],
                  ["--vector", "1,2,3"], ["--vector", "1,,2"],
                  ["--vector", "1e99,0"], ["--vector", file],
                  ["--vector", folder / "nothing"],
                  ["--vector", "1,2", "--like", "east"]):
        command.run("search", *wrong, refused=True)

    near = command.json("subgraph", "north")
    assert [each["concept"] for each in near["concepts"]] == [
        "north", "east", "far east"], near
    assert [(each["source"], each["by"], each["target"])
            for each in near["associations"]] == [
        ("north", "right of", "east"), ("far east", "beyond", "east")], near
    assert len(command.json("subgraph", "north", "--depth",
                            "1")["concepts"]) == 2
    assert command.json("subgraph", "north", "--limit",
                        "1")["bound_hit"] == "results"
    picture = folder / "subgraph.svg"
    assert "3 concepts, 2 associations" in command.run(
        "subgraph", "north", "--picture", picture)
    drawn = picture.read_text(encoding="utf-8")
    assert drawn.count("<rect ") == 4 and ">right of<" in drawn, drawn
    command.run("subgraph", "nobody", refused=True)


def check_tables(command):
    learnt = command.json("load", "csv", "-", text=(
        "colour,id,content,vector,strength\r\n"
        'brown,dog,"an ""animal"",\nwith a tail",1 0.5,2\r\n'
        ",cat,,,\r\n"))
    assert learnt["concepts"] == 2, learnt
    learnt = command.json("load", "csv", "-", text=(
        "source,target,type,weight\ndog,cat,chases,2.5\n"))
    assert learnt["associations_by_type"] == {"chases": 1}, learnt
    near = command.json("neighbors", "dog")["neighbors"]
    assert near[0]["concept"] == "cat" and near[0]["weight"] == 2.5, near
    assert command.json("search", 'an "animal"')["concepts"], "quotes"
    # What is wrong is told with the line where its row begins.
    for line, wrong in (
            (1, ""), (1, "name\nx\n"), (1, "id,id\nx,x\n"),
            (1, "source,target,type,colour\na,b,c,red\n"),
            (2, "id,content\nx\n"), (2, "id,content\n,x\n"),
            (4, 'id,content\nx,"1\n2"\ny,"\n'),
            (3, "id,strength\nx,1\ny,one\n"), (2, "id,strength\nx,-1\n"),
            (2, "id,strength\nx,1 2\n"), (2, "id,vector\nx,1 nan\n"),
            (2, "source,target,type\ndog,,near\n"),
            (2, "source,target,type,weight\ndog,cat,near,-1\n")):
        told = command.run("load", "csv", "-", text=wrong, refused=True)
        assert f"<stdin>:{line}: " in told, (wrong, told)
    # Of these, only the rows before the wrong one were learnt.
    kept = command.json("stats")
    assert (kept["concepts"], kept["edges"]) == (3, 1), kept


def check_kill(program, folder):
    """Whatever the moment, what is left is a store that can be opened."""
    for written in ("spill", "segment-*"):
        store = folder / f"killed-at-{written.rstrip('-*')}"
        learner = subprocess.Popen(
            [program, "concept", "load", "wordnet", "--store", store],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until = time.monotonic() + DEADLINE_S
        while not any(store.glob(written)):
            assert time.monotonic() < until, f"no {written} in {store}"
            time.sleep(0.001)
        os.kill(learner.pid, signal.SIGKILL)
        learner.wait()
        kept = Command(program, store).json("stats")
        assert kept["concepts"] <= 117_659, kept


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = pathlib.Path(name)
        check_lines(Command(program, folder / "lines"))
        check_tables(Command(program, folder / "tables"))
        check_vectors(Command(program, folder / "vectors"), folder)
        if not WORDNET.is_dir():
            print("skipped: no WordNet here (apt-get install wordnet-base)")
            return
        check_wordnet(Command(program, folder / "wordnet"), folder)
        check_kill(program, folder)
    print("learnt, asked, killed: as it should be")


if __name__ == "__main__":
    main()
