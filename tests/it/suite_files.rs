//! The files that are shipped under `suites/`: they parse, their schemas are current, and the
//! reader knows exactly the keys that the schemas document.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use bakeoff::catalog::Catalog;
use bakeoff::suite::{
    Bounds, Code, Gate, Metric, Problems, Project, Quantity, parse_project, parse_suite, render,
    schema,
};
use bakeoff::verdict::{TYPICAL_NOISE, lint_suite, power};
use serde_json::Value;

fn suites() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("suites")
}

#[test]
fn shipped_suites_are_valid() {
    // A user who starts from one of them must start from a suite that runs.
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(suites()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let suite = parse_suite(&text)
            .unwrap_or_else(|problems| panic!("{}", render(&problems, "suite", &text, false)));
        assert_eq!(
            Some(suite.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str())
        );
        assert!(
            text.starts_with("#:schema ./suite.schema.json\n"),
            "{}",
            suite.name
        );
        for prompt in &suite.prompts {
            for variant in &suite.variants {
                let parameters = suite.parameters_of(prompt, variant);
                assert!(parameters.max_tokens.is_some(), "a cap needs a token limit");
            }
        }
        names.insert(suite.name);
    }
    let expected = [
        "ci",
        "code",
        "load",
        "quickstart",
        "reasoning",
        "support",
        "switch",
    ];
    assert!(
        expected.iter().all(|name| names.contains(*name)),
        "{names:?}"
    );
}

#[test]
fn the_quickstart_compares_enough() {
    // It must be worth looking at: at least 4 models over at least 8 prompts.
    let text = std::fs::read_to_string(suites().join("quickstart.toml")).unwrap();
    let suite = parse_suite(&text).unwrap();
    assert!(suite.variants.len() >= 4 && suite.prompts.len() >= 8);
    assert_eq!(suite.endpoint, "sim");
    assert_eq!(suite.reference, "openai/gpt-5.6-luna");
}

#[test]
fn suites_with_a_gate_can_decide() {
    // A gate that is shipped must work: 20 x 10 and 30 x 6 requests of each model, and no warning.
    for (name, prompts, repetitions) in [("ci", 20, 10), ("switch", 30, 6)] {
        let text = std::fs::read_to_string(suites().join(format!("{name}.toml"))).unwrap();
        let suite = parse_suite(&text).unwrap();
        assert!(suite.gate.is_some());
        assert_eq!(
            (suite.prompts.len(), suite.repetitions),
            (prompts, repetitions)
        );
        let lints = lint_suite(&suite, &Catalog::snapshot(), &power(&suite, TYPICAL_NOISE));
        assert_eq!(lints, [], "{name}");
    }
}

#[test]
fn schemas_are_current() {
    // Editors complete from the committed schema, so that it must say what the reader reads.
    // BAKEOFF_UPDATE=1 writes it anew.
    for (file, schema) in [
        ("suite.schema.json", schema::suite_schema()),
        ("bakeoff.schema.json", schema::project_schema()),
    ] {
        let path = suites().join(file);
        let made = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            made == committed,
            "{file} is stale: run the tests with BAKEOFF_UPDATE=1"
        );
    }
}

/// A key that is like no other, so that the reader lists the keys it knows.
const FOREIGN: &str = "zzqqxx";

/// The keys that the reader knows in the table called `what`, as its help lists them.
fn reader_keys<T: std::fmt::Debug>(read: Result<T, Problems>, what: &str) -> BTreeSet<String> {
    let problems = read.unwrap_err();
    let message = format!("unknown key `{FOREIGN}` in {what}");
    let problem = problems
        .iter()
        .find(|problem| problem.code == Code::UnknownKey && problem.message == message)
        .unwrap_or_else(|| panic!("{what}: {problems:?}"));
    let help = problem.help.as_deref().unwrap();
    let keys = help.strip_prefix("its keys are ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

fn schema_keys(schema: &Value, table: &str) -> BTreeSet<String> {
    let properties = schema.pointer(&format!("{table}/properties")).unwrap();
    properties.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_reader_knows_the_documented_keys() {
    // A key that is documented but not read, or read but not documented, misleads its user.
    let suite = format!(
        "{FOREIGN} = 1\nmodels = [{{ {FOREIGN} = 1 }}]\n[timeouts]\n{FOREIGN} = 1\n\
         [cache]\n{FOREIGN} = 1\n[parameters]\n{FOREIGN} = 1\ntools = [{{ {FOREIGN} = 1 }}]\n\
         [gate]\n{FOREIGN} = 1\n[gate.metrics]\n{FOREIGN} = 1\n[gate.metrics.ttft]\n{FOREIGN} = 1\n\
         [[prompt_files]]\n{FOREIGN} = 1\n\
         [[prompts]]\n{FOREIGN} = 1\nassert = [{{ {FOREIGN} = 1 }}]\n\
         messages = [{{ {FOREIGN} = 1, cache_control = {{ {FOREIGN} = 1 }}, tool_calls = [{{ {FOREIGN} = 1 }}] }}]"
    );
    let schema = schema::suite_schema();
    for (what, table) in [
        ("the suite", ""),
        ("a model", "/definitions/VariantTable"),
        ("`timeouts`", "/definitions/TimeoutsTable"),
        ("`parameters`", "/definitions/ParametersTable"),
        ("`gate`", "/definitions/GateTable"),
        ("`gate.metrics`", "/definitions/GateMetricsTable"),
        ("the gate of a metric", "/definitions/TimeBoundsTable"),
        ("a prompt", "/definitions/PromptTable"),
        ("a message", "/definitions/MessageTable"),
        ("an assert", "/definitions/AssertTable"),
        ("`prompt_files`", "/definitions/PromptFileTable"),
        ("a tool", "/definitions/ToolTable"),
        ("a tool call", "/definitions/ToolCallTable"),
        ("a cache mark", "/definitions/CacheControlTable"),
        ("`cache`", "/definitions/CacheTable"),
    ] {
        assert_eq!(
            reader_keys(parse_suite(&suite), what),
            schema_keys(&schema, table),
            "{what}"
        );
    }

    // Too many to be listed.
    let limits: BTreeSet<String> = Quantity::all().map(Quantity::word).collect();
    assert_eq!(limits, schema_keys(&schema, "/definitions/GateLimitsTable"));

    let project = format!(
        "{FOREIGN} = 1\n[budget]\n{FOREIGN} = 1\n[endpoints.own]\n{FOREIGN} = 1\n[[endpoints.own.prices]]\n{FOREIGN} = 1\n\
         [[endpoints.own.surcharges]]\n{FOREIGN} = 1"
    );
    let schema = schema::project_schema();
    for (what, table) in [
        ("the project file", ""),
        ("a budget", "/definitions/BudgetTable"),
        ("an endpoint", "/definitions/EndpointTable"),
        ("a price", "/definitions/PriceTable"),
        ("a surcharge", "/definitions/SurchargeTable"),
    ] {
        let keys = reader_keys(parse_project(&project), what);
        assert_eq!(keys, schema_keys(&schema, table), "{what}");
    }
}

#[test]
fn documented_defaults_are_the_executed_ones() {
    // The schema says what happens where a key is absent; a suite of required keys shows it.
    let text = "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nuser = \"b\"";
    let suite = serde_json::to_value(parse_suite(text).unwrap()).unwrap();
    let schema = schema::suite_schema();
    let mut compared = 0;
    for (key, property) in schema["properties"].as_object().unwrap() {
        if let Some(default) = property.get("default") {
            assert_eq!(&suite[key], default, "{key}");
            compared += 1;
        }
    }
    assert!(compared >= 8, "only {compared} defaults were found");
    let weight = &schema["definitions"]["PromptTable"]["properties"]["weight"]["default"];
    assert_eq!(&suite["prompts"][0]["weight"], weight);
    let deadlines = &schema["definitions"]["TimeoutsTable"]["properties"];
    let spelled: Vec<String> = deadlines
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, property)| format!("{key} = {}\n", property["default"]))
        .collect();
    let spelled = spelled.concat();
    let explicit = text.replace("[[prompts]]", &format!("[timeouts]\n{spelled}[[prompts]]"));
    let explicit = serde_json::to_value(parse_suite(&explicit).unwrap()).unwrap();
    assert_eq!(explicit["timeouts"], suite["timeouts"]);
}

#[test]
fn the_documented_gate_is_the_default_one() {
    // An empty `[gate]`, one that spells every documented default out, and none at all judge the same.
    let text = "name = \"x\"\nmodels = [\"m\"]\n[[prompts]]\nid = \"a\"\nuser = \"b\"\n[gate]\n";
    assert_eq!(parse_suite(text).unwrap().gate, Some(Gate::default()));
    let schema = schema::suite_schema();
    let spelled = |table: &str| {
        let properties = schema["definitions"][table]["properties"]
            .as_object()
            .unwrap();
        let keys = properties.iter().filter_map(|(key, property)| {
            let default = property.get("default")?;
            Some(format!("{key} = {default}\n"))
        });
        keys.collect::<String>()
    };
    let (gate, points) = (spelled("GateTable"), spelled("PointsBoundsTable"));
    assert_eq!((gate.lines().count(), points.lines().count()), (7, 2));
    let explicit = format!("{text}{gate}[gate.metrics.completed]\n{points}");
    let explicit = parse_suite(&explicit).unwrap().gate.unwrap();
    for metric in Metric::ALL {
        assert_eq!(explicit.bounds_of(metric), Bounds::default_of(metric));
    }
    let default = Gate::default();
    assert_eq!(
        Gate {
            bounds: Vec::new(),
            ..explicit
        },
        default
    );
}

#[test]
fn an_empty_project_file_has_the_built_in_endpoints() {
    // Most users have no bakeoff.toml; what it lacks must not stop them.
    assert_eq!(parse_project("").unwrap(), Project::default());
}
