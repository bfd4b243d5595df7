//! Samples of `OpenAI` evals: their conversations, and files that hold no prompts.
//!
//! Owns what differs from conversations of a chat API. Must not know how rows are read. Invariant: no message is left
//! out, and a change of its role is reported.

use serde_json::{Map, Value};

/// Keys of samples that are no prompts, and what they are.
const FOREIGN: [(&[&str], &str); 18] = [
    (
        &["sample"],
        "few-shot examples that other samples begin with",
    ),
    (
        &["research_problem"],
        "tasks of an agent benchmark (`hr_ml_agent_bench`)",
    ),
    (
        &["intent", "start_url"],
        "tasks in a browser (`multistep-web-tasks`)",
    ),
    (&["previous_moves"], "chess games (`cant_do_that_anymore`)"),
    (
        &["title", "content"],
        "articles of a knowledge base (`skill_acquisition`)",
    ),
    (&["qa_pairs"], "lessons (`skill_acquisition`)"),
    (
        &["input1", "input2"],
        "pairs of inputs that models battle over (`test_multiio`)",
    ),
    (
        &["correct_steps"],
        "solutions with a mistake (`error_recovery`)",
    ),
    (
        &["question", "answer"],
        "questions without `input` (`sandbagging`): `bakeoff import jsonl` reads them",
    ),
    (&["proposal_text"], "proposals to vote on (`ballots`)"),
    (&["bugs", "tools"], "tools with a bug (`bugged_tools`)"),
    (&["causal_graph"], "causal graphs (`identifying_variables`)"),
    (
        &["word", "difficulty"],
        "words to guess (`twenty_questions`)",
    ),
    (
        &["env_id"],
        "environments of reinforcement learning (`incontext_rl`)",
    ),
    (
        &["gzip_compression_ratio"],
        "texts to compress (`text_compression`)",
    ),
    (&["payload_text"], "texts to hide (`steganography`)"),
    (
        &["train_samples", "test_samples"],
        "tasks to write a prompt for (`self_prompting`)",
    ),
    (
        &["code", "values"],
        "functions to find (`function_deduction`)",
    ),
];

/// The kind of samples in a file that has no prompts.
pub(super) fn foreign_samples(row: &Map<String, Value>) -> String {
    let has = |keys: &&(&[&str], &str)| keys.0.iter().all(|key| row.contains_key(*key));
    if let Some((_, what)) = FOREIGN.iter().find(has) {
        return format!("its samples are {what}");
    }
    if row.get("input").is_some_and(Value::is_object) {
        return "the `input` of its samples is the state of a game (`make_me_say`)".to_owned();
    }
    let keys: Vec<String> = row.keys().take(8).map(|key| format!("`{key}`")).collect();
    format!("its samples have no `input`, only {}", keys.join(", "))
}

/// The messages of a conversation with the roles that chat APIs take: examples have theirs in `name`, and system text
/// may stand anywhere.
pub(super) fn evals_turns(items: Vec<Value>, notes: &mut Vec<String>) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::new();
    for mut item in items {
        let example = match (item["role"].as_str(), item["name"].as_str()) {
            (Some("system"), Some("example_user")) => Some("user"),
            (Some("system"), Some("example_assistant")) => Some("assistant"),
            _ => None,
        };
        if let Some(role) = example {
            item["role"] = Value::from(role);
        }
        let is_system = item["role"] == "system";
        match turns.last_mut() {
            Some(last) if is_system && last["role"] == "system" => join(last, &item),
            Some(_) if is_system => {
                item["role"] = Value::from("user");
                notes.push(
                    "system text after the first message became a message of the user".to_owned(),
                );
                turns.push(item);
            }
            _ => turns.push(item),
        }
    }
    if let [only] = turns.as_mut_slice()
        && only["role"] == "system"
    {
        only["role"] = Value::from("user");
        notes
            .push("the system text, which stands alone, became the message of the user".to_owned());
    }
    turns
}

/// Appends the text of a message to another.
fn join(message: &mut Value, more: &Value) {
    let texts = [&*message, more].map(|item| item["content"].as_str().unwrap_or_default());
    message["content"] = Value::from(texts.join("\n\n"));
}
