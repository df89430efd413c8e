#!/usr/bin/env python3
"""Writes random rows, expressions over them and what DuckDB makes of these, one JSON object a line.

    generate.py SEED EXPRESSIONS > fixture.jsonl

Egret is compared with it by tests/suite/differential.rs, which also lists what differs on purpose. Each expression is written for
both: where the two spell a thing differently, or a difference is on purpose, DuckDB is asked for what Egret promises (a whole
number is divided as such, a float is cut when it becomes one, the least and the greatest of zeros have no sign). Needs `pip install duckdb==2.0.1`; with the same seed and version
the output is the same.
"""

import json
import random
import sys

import duckdb

VERSION = "2.0.1"
ROWS = 16
COLUMNS = [
    ("g", "BIGINT"), ("b1", "BOOLEAN"), ("b2", "BOOLEAN"), ("i1", "BIGINT"), ("i2", "BIGINT"), ("k1", "BIGINT"), ("j1", "INT"),
    ("x1", "DOUBLE"), ("x2", "DOUBLE"), ("y1", "DOUBLE"), ("s1", "STRING"), ("s2", "STRING"), ("d1", "DATE"), ("d2", "DATE"),
    ("p1", "TIMESTAMP"), ("p2", "TIMESTAMP"),
]
EDGES = {
    "i": [0, 1, -1, 2, 7, -3, 10, 2**63 - 1, -(2**63), 2**31, 2**53 + 1, -(2**31)],
    "k": [0, 1, -1, 2, 3, -5, 12],
    "j": [0, 1, -1, 5, 2**31 - 1, -(2**31), 100],
    "x": ["0.0", "-0.0", "1.0", "-1.0", "0.5", "2.5", "-2.5", "1e308", "-1e308", "5e-324", "nan", "inf", "-inf", "9007199254740993.0"],
    "y": ["0.0", "-0.0", "0.5", "1.25", "-3.75", "100.0", "12345.5", "-7.0"],
    "s": ["", "a", "A", "abc", "it''s", "Straße", "é", " x ", "12", "-7", "100%", "a_b", "Zebra", "z"],
    "d": ["2024-01-31", "2024-02-29", "2023-02-28", "1970-01-01", "1969-12-31", "2000-12-31", "1900-03-01", "2038-01-19"],
    "p": ["2024-01-31 12:00:00", "2024-02-29 23:59:59.999", "2023-02-28 00:00:00", "1970-01-01 00:00:00", "1969-12-31 23:59:59.5",
          "2024-01-30 11:59:59.25", "2024-03-31 01:30:00", "2100-06-15 06:07:08"],
}
DUCK = {"STRING": "VARCHAR", "INT": "INTEGER"}


class Both(tuple):
    """An expression for Egret and for DuckDB."""

    def __new__(cls, egret, duck=None):
        return super().__new__(cls, (egret, egret if duck is None else duck))


def put(template, *parts, duck=None):
    """Puts expressions into a template, `{0}`, `{1}`."""
    return Both(template.format(*(part[0] for part in parts)), (duck or template).format(*(part[1] for part in parts)))


class Expressions:
    def __init__(self, rng):
        self.rng = rng

    def of(self, kind, depth):
        choices = getattr(self, kind)()
        leaves, nodes = choices
        if depth <= 0 or self.rng.random() < 0.15:
            return self.rng.choice(leaves)
        return self.rng.choice(nodes)(depth - 1)

    def sub(self, template, *kinds, duck=None):
        return lambda depth: put(template, *(self.of(kind, depth) for kind in kinds), duck=duck)

    def literal_int(self):
        value = self.rng.choice([0, 1, -1, 2, 3, 7, 100, -8])
        return Both(f"({value})", f"CAST({value} AS BIGINT)")

    def literal_float(self):
        return Both("({}e0)".format(self.rng.choice(["0.0", "-0.0", "1.0", "1.5", "-2.5", "10.0", "0.1"])))

    def literal_text(self):
        return Both("'{}'".format(self.rng.choice(["", "a", "A", "abc", "z", "12", "é", "it''s"])))

    def whole(self):
        case = self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "whole", "whole")
        nodes = [self.sub("({0} %s {1})" % op, "whole", "whole") for op in ("+", "-", "*")] + [
            self.sub("({0} / nullif({1}, 0))", "whole", "whole", duck="({0} // nullif({1}, 0))"),
            self.sub("({0} % nullif({1}, 0))", "whole", "small"),
            self.sub("(- {0})", "whole"), self.sub("abs({0})", "whole"), case,
            self.sub("coalesce({0}, {1})", "whole", "whole"), self.sub("nullif({0}, {1})", "whole", "whole"),
            self.sub("greatest({0}, {1})", "whole", "whole"), self.sub("least({0}, {1}, {2})", "whole", "whole", "small"),
            self.sub("CAST({0} AS BIGINT)", "float", duck="CAST(trunc({0}) AS BIGINT)"),
            self.sub("CAST({0} AS INT)", "whole", duck="CAST({0} AS INTEGER)"),
            self.sub("TRY_CAST({0} AS INT)", "whole", duck="TRY_CAST({0} AS INTEGER)"),
            self.sub("TRY_CAST({0} AS BIGINT)", "text"), self.sub("CAST({0} AS BIGINT)", "truth"),
            self.sub("CAST(length({0}) AS BIGINT)", "text"), self.sub("CAST(strpos({0}, {1}) AS BIGINT)", "text", "text"),
            self.sub("({0} - {1})", "date", "date"), self.sub("CASE {0} WHEN {1} THEN {2} ELSE {3} END", *["whole"] * 4),
        ]
        for part in ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "DOW", "DOY", "QUARTER"):
            nodes.append(self.sub("CAST(EXTRACT(%s FROM {0}) AS BIGINT)" % part, "time"))
        # Days of a length are 24 hours, wherever they come from.
        seconds = "CAST(trunc(EXTRACT(EPOCH FROM {0})) AS BIGINT)"
        for part, of in (("DAY", "{} // 86400"), ("HOUR", "({} % 86400) // 3600"), ("MINUTE", "({} % 3600) // 60")):
            nodes.append(self.sub("CAST(EXTRACT(%s FROM {0}) AS BIGINT)" % part, "length", duck="(%s)" % of.format(seconds)))
        return [Both(name) for name in ("i1", "i2", "k1", "j1")] + [self.literal_int()], nodes

    def small(self):
        return [Both("k1"), self.literal_int(), Both("CAST(g AS BIGINT)")], [self.sub("(k1 + {0})", "small")]

    def float(self):
        nodes = [self.sub("({0} %s {1})" % op, "float", "float") for op in ("+", "-", "*", "/")] + [
            self.sub("(- {0})", "float"), self.sub("abs({0})", "float"), self.sub("floor({0})", "float"), self.sub("ceil({0})", "float"),
            self.sub("round({0})", "float"), self.sub("sqrt(abs({0}))", "float"), self.sub("CAST({0} AS DOUBLE)", "whole"),
            self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "float", "float"), self.sub("coalesce({0}, {1})", "float", "float"),
            self.sub("nullif({0}, {1})", "float", "float"), self.sub("greatest({0}, {1})", "float", "float", duck="(greatest({0}, {1}) + 0.0)"),
            self.sub("least({0}, {1}, {2})", "float", "float", "float", duck="(least({0}, {1}, {2}) + 0.0)"), self.sub("({0} + {1})", "float", "whole"),
            self.sub("CASE {0} WHEN {1} THEN {2} ELSE {3} END", *["float"] * 4),
            self.sub("CAST(EXTRACT(EPOCH FROM {0}) AS DOUBLE)", "length"), self.sub("CAST(EXTRACT(EPOCH FROM {0}) AS DOUBLE)", "time"),
        ]
        return [Both(name) for name in ("x1", "x2", "y1")] + [self.literal_float()], nodes

    def text(self):
        nodes = [
            self.sub("({0} || {1})", "text", "text"), self.sub("upper({0})", "ascii"), self.sub("lower({0})", "ascii"),
            self.sub("replace({0}, {1}, {2})", "text", "letter", "text"), self.sub("trim({0})", "text"), self.sub("reverse({0})", "ascii"),
            self.sub("substr({0}, 2, 2)", "text"), self.sub("left({0}, 2)", "text"), self.sub("right({0}, 2)", "text"),
            self.sub("CAST({0} AS STRING)", "whole", duck="CAST({0} AS VARCHAR)"), self.sub("concat({0}, {1})", "text", "text"),
            self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "text", "text"), self.sub("coalesce({0}, {1})", "text", "text"),
            self.sub("nullif({0}, {1})", "text", "text"), self.sub("greatest({0}, {1})", "text", "text"),
            self.sub("CAST({0} AS STRING)", "date", duck="CAST({0} AS VARCHAR)"),
        ]
        return [Both("s1"), Both("s2"), self.literal_text()], nodes

    def ascii(self):
        return [Both("'Ab c'"), Both("replace(replace(s1, 'ß', 's'), 'é', 'e')")], [self.sub("({0} || 'Xy')", "ascii")]

    def letter(self):
        return [Both("'a'"), Both("'1'"), Both("'ß'")], [self.sub("{0}", "letter")]

    def date(self):
        nodes = [
            self.sub("({0} + {1})", "date", "few", duck="({0} + CAST({1} AS INTEGER))"),
            self.sub("({0} - {1})", "date", "few", duck="({0} - CAST({1} AS INTEGER))"),
            self.sub("CAST({0} AS DATE)", "time"), self.sub("coalesce({0}, {1})", "date", "date"), self.sub("nullif({0}, {1})", "date", "date"),
            self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "date", "date"), self.sub("greatest({0}, {1})", "date", "date"),
        ]
        return [Both("d1"), Both("d2"), Both("DATE '2024-02-29'")], nodes

    def few(self):
        return [Both("k1"), Both("(1)"), Both("(-3)")], [self.sub("(k1 * 30 + {0})", "few")]

    def interval(self):
        text = self.rng.choice(["'1' DAY", "'-2' DAY", "'36' HOUR", "'90' MINUTE", "'1' SECOND", "'-250' MILLISECOND", "'2' WEEK"])
        return Both(f"INTERVAL {text}")

    def months(self):
        return Both("INTERVAL {}".format(self.rng.choice(["'1' MONTH", "'-1' MONTH", "'13' MONTH", "'1' YEAR", "'-3' YEAR", "'11' MONTH"])))

    def length(self):
        interval = self.interval()
        nodes = [
            self.sub("({0} - {1})", "time", "time"), self.sub("({0} + {1})", "length", "length"), self.sub("({0} - {1})", "length", "length"),
            self.sub("(k1 * {0})", "given"), self.sub("({0} * 3)", "given"), self.sub("coalesce({0}, {1})", "length", "length"),
            self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "length", "length"),
        ]
        return [Both("(p1 - p2)"), Both("(p2 - p1)"), interval], nodes

    def given(self):
        return [self.interval()], [lambda depth: self.interval()]

    def time(self):
        months = self.months()
        nodes = [
            self.sub("({0} + {1})", "time", "given"), self.sub("({0} - {1})", "time", "given"), self.sub("({0} + {1})", "date", "given"),
            lambda depth: put("({0} + {1})", self.of("time", depth), months), lambda depth: put("({0} - {1})", self.of("date", depth), months),
            self.sub("coalesce({0}, {1})", "time", "time"), self.sub("nullif({0}, {1})", "time", "time"), self.sub("least({0}, {1})", "time", "time"),
            self.sub("CAST({0} AS TIMESTAMP)", "date"), self.sub("CASE WHEN {0} THEN {1} ELSE {2} END", "truth", "time", "time"),
            self.sub("(p2 + (k1 * {0}))", "given"), self.sub("({0} + ({1} - p1))", "time", "time"),
        ]
        for part in ("year", "month", "day", "hour", "week"):
            nodes.append(self.sub("date_trunc('%s', {0})" % part, "time"))
        return [Both("p1"), Both("p2"), Both("TIMESTAMP '2024-01-31 10:00:00'")], nodes

    def truth(self):
        nodes = [self.sub("({0} AND {1})", "truth", "truth"), self.sub("({0} OR {1})", "truth", "truth"), self.sub("(NOT {0})", "truth")]
        for kind in ("whole", "float", "text", "date", "time", "length"):
            for op in ("=", "<>", "<", "<=", ">", ">="):
                nodes.append(self.sub("({0} %s {1})" % op, kind, kind))
            nodes.append(self.sub("({0} IS NULL)", kind))
            nodes.append(self.sub("({0} IS NOT DISTINCT FROM ({1}))", kind, kind))
            nodes.append(self.sub("({0} BETWEEN {1} AND {2})", kind, kind, kind))
            nodes.append(self.sub("({0} IN ({1}, {2}, {3}, {4}))", *[kind] * 5))
            nodes.append(self.sub("({0} NOT IN ({1}, {2}))", *[kind] * 3))
        nodes += [self.sub("({0} < {1})", "whole", "float"), self.sub("({0} = {1})", "float", "whole"), self.sub("({0} > {1})", "date", "time")] * 2
        nodes += [self.sub("({0} LIKE '%s')" % like, "text") for like in ("a%", "%b_", "_", "%", "Str_ße", "%ß%")]
        nodes += [self.sub("({0} IS TRUE)", "truth"), self.sub("({0} IS NOT FALSE)", "truth"), self.sub("coalesce({0}, {1})", "truth", "truth")]
        return [Both("b1"), Both("b2"), Both("true")], nodes

    def call(self):
        """An aggregate and the type of its result."""
        kind = self.rng.choice(["whole", "float", "text", "date", "time", "truth"])
        arg = self.of(kind, 1)
        names = {"whole": "BIGINT", "float": "DOUBLE", "text": "STRING", "date": "DATE", "time": "TIMESTAMP", "truth": "BOOLEAN"}
        plain = [("count({0})", None, "BIGINT"), ("count(DISTINCT {0})", None, "BIGINT")]
        if kind == "truth":
            plain += [("bool_and({0})", None, "BOOLEAN"), ("bool_or({0})", None, "BOOLEAN")]
        else:
            plain += [("min({0})", None, names[kind]), ("max({0})", None, names[kind])] * 3
        if kind == "whole":
            plain += [("sum({0})", "CAST(sum({0}) AS BIGINT)", "BIGINT")] * 3
        template, duck, data_type = self.rng.choice(plain)
        if self.rng.random() < 0.2:
            template, duck, data_type = self.rng.choice(
                [("sum({0})", None, "DOUBLE"), ("avg({0})", None, "DOUBLE"), ("stddev({0})", None, "DOUBLE"), ("var_pop({0})", None, "DOUBLE")])
            arg = self.rng.choice([Both("y1"), put("(y1 + {0})", self.literal_float()), Both("CAST(k1 AS DOUBLE)"), Both("CAST(j1 AS DOUBLE)")])
        call = put(template, arg, duck=duck)
        if self.rng.random() < 0.3:
            condition = self.of("truth", 1)
            inner = put(template, arg)
            filtered = put("{0} FILTER (WHERE {1})", inner, condition)
            call = Both(filtered[0], filtered[1] if duck is None else f"CAST({filtered[1]} AS BIGINT)")
        return call, data_type


def reads_a_row(expression):
    """Whether a column stands outside of texts."""
    outside = "".join(expression.split("'")[::2])
    return any(name in outside for name, _ in COLUMNS[1:])


def cell(name, rng):
    if name == "g":
        return str(rng.randrange(4))
    if rng.random() < 0.12:
        return None
    if name[0] == "b":
        return rng.choice(["true", "false"])
    return str(rng.choice(EDGES[name[0]])).replace("''", "'")


def shown(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def answers(con, select, rows):
    """The value of each row; a list with what was wrong where DuckDB cannot compute it."""
    try:
        return [shown(row[0]) for row in con.execute(f"SELECT {select} FROM t ORDER BY id").fetchall()]
    except duckdb.Error as error:
        if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
            return None
    out = []
    for row in range(1, rows + 1):
        try:
            out.append(shown(con.execute(f"SELECT {select} FROM t WHERE id = {row}").fetchone()[0]))
        except duckdb.Error as error:
            out.append([str(error).split(":")[0]])
    return out


def text_of(duck, data_type):
    """The value as a text, which JSON keeps."""
    return {
        "TIMESTAMP": f"strftime({duck}, '%Y-%m-%dT%H:%M:%S.%f')", "DATE": f"CAST({duck} AS VARCHAR)", "BIGINT": f"CAST({duck} AS VARCHAR)",
    }.get(data_type, duck)


def table(con, rng):
    rows = [[cell(name, rng) for name, _ in COLUMNS] for _ in range(ROWS)]
    con.execute("CREATE OR REPLACE TABLE t (id BIGINT, {})".format(", ".join(f"{name} {DUCK.get(of, of)}" for name, of in COLUMNS)))
    for number, row in enumerate(rows):
        con.execute("INSERT INTO t VALUES ({})".format(", ".join(["?"] * (len(COLUMNS) + 1))), [number + 1, *row])
    return rows


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    assert duckdb.__version__ == VERSION, f"DuckDB {duckdb.__version__} is there, {VERSION} is compared with"
    rng, con = random.Random(seed), duckdb.connect()
    con.execute("SET threads = 1; SET TimeZone = 'UTC'")
    kinds = {"whole": "BIGINT", "float": "DOUBLE", "text": "STRING", "date": "DATE", "time": "TIMESTAMP", "truth": "BOOLEAN"}
    print(json.dumps({"seed": seed, "duckdb": VERSION, "columns": COLUMNS}))
    made = 0
    while made < count:
        rows = table(con, rng)
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        for _ in range(min(200, count - made)):
            kind = rng.choice([*kinds, "truth", "float"])
            egret, duck = Expressions(rng).of(kind, rng.choice([1, 2, 2, 3]))
            values = answers(con, text_of(duck, kinds[kind]), ROWS)
            made += 1
            if values is not None and len(egret) < 300 and reads_a_row(egret):
                print(json.dumps({"e": egret, "t": kinds[kind], "v": values}, ensure_ascii=False, separators=(",", ":")))
        for _ in range(40):
            (egret, duck), data_type = Expressions(rng).call()
            made += 1
            try:
                found = con.execute(f"SELECT g, {text_of(duck, data_type)} FROM t GROUP BY g ORDER BY g").fetchall()
            except duckdb.Error:
                continue
            if not reads_a_row(egret):
                continue
            values = {str(group): shown(value) for group, value in found}
            print(json.dumps({"a": egret, "t": data_type, "v": values}, ensure_ascii=False, separators=(",", ":")))


main()
