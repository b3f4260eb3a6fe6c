//! No text about Azure contains a word of AWS, and no cost is invented.

use serde_json::Value;
use steward::model::InWords;

use super::{documents, results, texts};

/// Words that mean something only on AWS, in lower case. `deregist` covers all forms of the verb.
const WORDS_OF_AWS: &[&str] = &[
    "ec2",
    "ami-",
    "amis",
    "aws",
    "arn:",
    "region",
    "recycle bin",
    "ebs",
    "ssm",
    "account",
    "deregist",
    "launch template",
    "launch permission",
    "auto scaling",
    "snap-",
    "volume",
    "usd",
    "instance store",
    "iam",
];

/// Words of AWS in `text`, with the lines. A word may have an ending, but nothing before it.
fn found(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let lower = line.to_lowercase();
        let begins = |(at, _): (usize, &str)| {
            !lower.get(..at).unwrap().ends_with(|before: char| before.is_alphanumeric())
        };
        let is_in = |word: &&&str| lower.match_indices(**word).any(begins);
        let word = WORDS_OF_AWS.iter().find(is_in)?;
        Some(format!("{name}: {word}: {line}"))
    });
    lines.collect()
}

/// The texts in a document. The names of fields and of the kinds of things are the same for all
/// providers, and contain no spaces.
fn texts_in(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains(' ') => all.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|one| texts_in(one, all)),
        Value::Object(fields) => fields.values().for_each(|one| texts_in(one, all)),
        _ => {}
    }
}

#[test]
fn no_text_contains_a_word_of_aws() {
    let mut wrong: Vec<String> =
        texts().iter().flat_map(|(name, text)| found(name, text)).collect();
    for (name, document) in documents() {
        let mut all = Vec::new();
        texts_in(&serde_json::from_str(&document).unwrap(), &mut all);
        assert!(!all.is_empty() || name == "simulation-json" || name == "sums-json", "{name}");
        wrong.extend(all.iter().flat_map(|text| found(name, text)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_document_contains_a_price() {
    for (name, document) in documents() {
        assert!(!document.contains("usd"), "{name}");
        let document: Value = serde_json::from_str(&document).unwrap();
        let price = &document["price"];
        assert!(price.is_null(), "{name}: {price}");
    }
}

#[test]
fn the_same_values_have_the_words_of_aws_there() {
    let words = steward::model::Provider::Aws.words();
    let reasons = results::reasons();
    let texts: Vec<String> = reasons.iter().map(|one| one.in_words(words).to_string()).collect();
    let all = texts.join("\n");
    for expected in ["deregistration protection", "launch permissions", "the Recycle Bin"] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
}
