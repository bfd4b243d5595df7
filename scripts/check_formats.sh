#!/bin/sh
# Checks stored files with the programs of others, in the versions named below: schemas by Ajv 8, check-jsonschema and
# taplo; junit.xml by the schema of Jenkins' xUnit plugin, junitparser and junit2html; CSV by DuckDB and pandas;
# histograms.hlog by the readers of Python and JavaScript. Needs Node, Python and their registries; everything is
# installed in a temporary folder. Usage: sh scripts/check_formats.sh
#
# The schema of Jenkins is read from the file in $JUNIT_XSD, else fetched.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
run=reports/example
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
step() { printf '\n== %s\n' "$*"; }

step install
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q check-jsonschema==0.39.0 junitparser==5.0.3 junit2html==31.1.4 xmlschema==4.3.2 \
  duckdb==2.0.1 pandas==3.1.1 hdrhistogram==0.10.8
(cd "$folder" && npm init -y > /dev/null && npm install --silent --no-fund --no-audit \
  ajv@8.20.0 @taplo/cli@0.7.0 hdr-histogram-js@3.0.1)
PATH=$folder/venv/bin:$folder/node_modules/.bin:$PATH
xsd=${JUNIT_XSD:-$folder/junit-10.xsd}
if [ ! -e "$xsd" ]; then
  commit=031e285ef3b60dee7aaf36e9096d7dcd95ffae83
  curl -fsSL -o "$xsd" "https://raw.githubusercontent.com/jenkinsci/xunit-plugin/$commit/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd"
fi

step "schemas compile in Ajv with its defaults"
(cd "$folder" && node -e '
  const Ajv = require("ajv"), fs = require("fs");
  for (const file of process.argv.slice(1)) new Ajv().compile(JSON.parse(fs.readFileSync(file, "utf8")));
  console.log(process.argv.length - 1, "schemas");
' "$root"/docs/schemas/*.json "$root"/suites/*.schema.json)

step "schemas and documents, by check-jsonschema"
check-jsonschema --check-metaschema docs/schemas/*.json suites/*.schema.json
check-jsonschema --schemafile suites/suite.schema.json suites/ci.toml suites/code.toml suites/quickstart.toml \
  suites/reasoning.toml suites/support.toml suites/switch.toml

step "suites by taplo, with the schema that they name"
taplo lint suites/*.toml

step "junit.xml by the schema of Jenkins, junitparser and junit2html"
xmlschema-validate --schema "$xsd" "$run/junit.xml"
junitparser verify "$run/junit.xml"
python3 -c "
import junitparser, sys
xml = junitparser.JUnitXml.fromfile(sys.argv[1])
names = [case.name for suite in xml for case in suite]
assert len(names) == len(set(names)) == xml.tests, names
print(len(names), 'cases, each name once, for example', names[0])" "$run/junit.xml"
junit2html "$run/junit.xml" "$folder/junit.html" && test -s "$folder/junit.html"

step "CSV by DuckDB and pandas"
python3 - "$run" <<'PYTHON'
import duckdb, glob, pandas, sys

for file in sorted(glob.glob(sys.argv[1] + "/*.csv")):
    rows, columns = pandas.read_csv(file).shape
    table = duckdb.sql(f"select * from read_csv('{file}', sample_size = -1)")
    assert table.shape == (rows, columns), (file, table.shape, rows, columns)
    print(file, rows, "rows", columns, "columns")
sums = "select variant, sum(cost_usd) from read_csv(?, sample_size = -1) group by variant order by variant"
by_duckdb = dict(duckdb.execute(sums, [sys.argv[1] + "/samples.csv"]).fetchall())
by_pandas = pandas.read_csv(sys.argv[1] + "/samples.csv").groupby("variant")["cost_usd"].sum()
assert all(abs(by_pandas[variant] - cost) < 1e-9 for variant, cost in by_duckdb.items())
print("costs agree:", by_duckdb)
PYTHON

step "histograms.hlog by the readers of Python and JavaScript"
python3 -c "
from hdrh.log import HistogramLogReader
from hdrh.histogram import HdrHistogram
log = HistogramLogReader('$run/histograms.hlog', HdrHistogram(1, 3600000000, 3))
while (h := log.get_next_interval_histogram()): print(h.get_tag(), h.get_total_count(), h.get_value_at_percentile(50) / 1000, 'ms')" \
  > "$folder/python.txt"
(cd "$folder" && node -e "
const log = new (require('hdr-histogram-js').HistogramLogReader)(fs.readFileSync('$root/$run/histograms.hlog', 'utf8'));
for (let h; h = log.nextIntervalHistogram();) console.log(h.tag, h.totalCount, h.getValueAtPercentile(50) / 1000, 'ms')") \
  > "$folder/javascript.txt"
diff "$folder/python.txt" "$folder/javascript.txt"
head -n 3 "$folder/python.txt"

step "all checks passed"
