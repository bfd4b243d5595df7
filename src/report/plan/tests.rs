use crate::plan::example::suite;
use crate::plan::plan;
use crate::suite::{CacheMode, Suite};

#[test]
fn the_listing_is_the_plan() {
    // `--list` shows the requests of a run, in its order.
    let mut suite = suite(2, 2, 2);
    suite.seed = 1;
    suite.prompts[1].id = "longer-id".to_owned();
    let listing = plan(&suite).listing(&suite).to_string();
    insta::assert_snapshot!(listing, @r"
    example: 2 prompts x 2 variants x 2 repetitions = 8 trials in 4 slots, seed 1, order c92fd92a331b522d
    warm-up: 1 request for each variant
    round 1
      slot    0  p0         v1  v0
      slot    1  longer-id  v1  v0
    round 2
      slot    2  p0         v1  v0
      slot    3  longer-id  v1  v0
    ");
}

#[test]
fn requests_for_the_caches_are_listed() {
    // Warm caches double the number of paid requests: the listing must say so before the bill does.
    let cache_line = |cache| {
        let suite = Suite {
            cache,
            ..suite(2, 2, 2)
        };
        let listing = plan(&suite).listing(&suite).to_string();
        listing.lines().nth(2).unwrap_or_default().to_owned()
    };
    let warm = "cache: warm, 8 more requests, one request before each trial, untimed and paid";
    assert_eq!(cache_line(CacheMode::Warm), warm);
    assert_eq!(
        cache_line(CacheMode::Bust),
        "cache: bust, a unique number begins every trial"
    );
    assert_eq!(cache_line(CacheMode::AsIs), "round 1");
}

#[test]
fn the_document_is_the_plan() {
    // Programs that read `--list --json` get ids, labels and numbers as samples will bear them.
    let suite = suite(1, 2, 1);
    let plan = plan(&suite);
    let document = serde_json::to_value(plan.document(&suite)).unwrap();
    let slot = plan.slots().next().unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["digest"], plan.digest());
    assert_eq!(document["trials"], 2);
    assert_eq!(document["slots"].as_array().unwrap().len(), 1);
    for (position, variant) in slot.order.iter().enumerate() {
        let trial = &document["slots"][0]["trials"][position];
        assert_eq!(trial["trial"], position);
        assert_eq!(trial["variant"], format!("v{variant}"));
        assert_eq!(trial["model"], format!("maker/m{variant}"));
    }
}
