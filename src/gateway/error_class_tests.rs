use super::*;

#[test]
fn words_and_phrases_are_found_as_they_are_written() {
    // A row that an earlier one covers, or that is not in lower case, would never be found.
    for known in ERROR_WORDS {
        assert_eq!(
            cause_of_word(known.word),
            Some(known.cause),
            "{}",
            known.word
        );
    }
    for known in ERROR_PHRASES {
        let message = format!("Oh: {}!", known.parts.join(" x "));
        assert_eq!(cause_of_message(&message), Some(known.cause), "{message}");
    }
}

#[test]
fn every_policy_blocks_but_that_of_data() {
    // The list of policies grows from month to month; the account's data policy is a setting.
    for word in [
        "bio_policy",
        "cyber_policy",
        "image_content_policy_violation",
        "tomorrows_policy",
    ] {
        assert_eq!(cause_of_word(word), Some(ErrorCause::Policy), "{word}");
    }
    assert_eq!(
        cause_of_word("data_policy"),
        Some(ErrorCause::AccountSetting)
    );
    assert_eq!(cause_of_word("policyholder"), None);
}

#[test]
fn a_429_is_a_limit_on_the_rate_unless_it_is_about_money() {
    // A limit passes, an empty account does not: one is tried again, the other stops the run.
    for (words, message) in [
        (vec!["overloaded_error"], "busy"),
        (vec!["permission_denied"], "too fast"),
        (
            vec!["RESOURCE_EXHAUSTED"],
            "You exceeded your current quota, please check your plan and billing details",
        ),
        (
            vec![],
            "This model's maximum context length was reached too often",
        ),
    ] {
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(
            cause(&words, message, Some(429)),
            Some(ErrorCause::RateLimit)
        );
    }
    for (words, message) in [
        (
            vec!["insufficient_quota"],
            "You exceeded your current quota",
        ),
        (
            vec!["1113", "rate_limit_error"],
            "Insufficient balance, please recharge",
        ),
    ] {
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(cause(&words, message, Some(429)), Some(ErrorCause::Money));
    }
}
