use proptest::prelude::*;

use super::*;
use crate::catalog::fixture::{list, read};

#[test]
fn every_kind_of_change_is_listed() {
    // What a person wants to know before the next run: who is new, who left or moved, what costs more.
    let before = read(
        r#"{"data":[
        {"id":"xai/grok-4","pricing":{"input":"0.000002"}},
        {"id":"old/name","name":"The One"},
        {"id":"a/gone","context_window":1000},
        {"id":"a/kept","pricing":{"input":"0.000001","output":"0.000002","web_search":"0.01"},
         "context_window":1000,"max_tokens":100},
        {"id":"a/tiered","pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/lost","pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/same","pricing":{"input":"0.000001","output":"0.000002"},"max_tokens":5}]}"#,
    );
    let after = read(
        r#"{"data":[
        {"id":"spacexai/grok-4","pricing":{"input":"0.000003"}},
        {"id":"new/thing","name":"The one"},
        {"id":"a/added","context_window":2000,"pricing":{"input":"0.000001","output":"0.000002"}},
        {"id":"a/kept","pricing":{"input":"0.0000008","output":"0.000002","input_cache_read":"0.0000001",
         "web_search":"0.02"},"context_window":2000,"max_tokens":100},
        {"id":"a/tiered","pricing":{"output":"0.000002",
         "input_tiers":[{"cost":"0.000001","min":0,"max":100},{"cost":"0.000002","min":100}]}},
        {"id":"a/lost","pricing":{}},
        {"id":"a/same","tags":["new"],"pricing":{"input":"0.000001","output":"0.000002"},"max_tokens":5}]}"#,
    );
    let diff = ListDiff::new(&before, &after);
    assert_eq!(diff.count(), 7);
    insta::assert_snapshot!(diff_table(&diff), @"
    added
      id       context  max output  input  output
      a/added     2000           –      1       2

    gone
      id      context  max output  input  output
      a/gone     1000           –      –       –

    moved
      old/name -> new/thing
      xai/grok-4 -> spacexai/grok-4

    changed
      id                                  what  before  after  change
      spacexai/grok-4                    input       2      3   +50 %
      a/kept                             input       1    0.8   -20 %
      a/kept                        cache read       –    0.1
      a/kept                           context    1000   2000  +100 %
      a/kept                        web_search    0.01   0.02  +100 %
      a/lost                             input       1      –
      a/lost                            output       2      –
      a/tiered         input, prompts from 100       1      2  +100 %

    Token prices in USD per million; other prices as listed.
    ");
    assert_eq!(
        diff_table(&ListDiff::new(&after, &after)),
        "Nothing changed.\n"
    );
}

proptest! {
    // Any difference can be printed.
    #[test]
    fn every_difference_has_words(a in list(), b in list()) {
        let table = diff_table(&ListDiff::new(&a, &b));
        prop_assert!(table.ends_with(".\n"));
    }
}
