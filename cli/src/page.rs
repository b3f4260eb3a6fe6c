//! The HTML page of the report: one file that loads no other resource.

use serde::Serialize;

use crate::outcome::CommandError;

const TEMPLATE: &str = include_str!("../report/page.html");
const STYLE: &str = include_str!("../report/page.css");
const CHARTS: &str = include_str!("../report/vendor/plot.min.js");
/// In the order of the comment in page.html.
const SCRIPTS: [&str; 12] = [
    include_str!("../report/text.js"),
    include_str!("../report/words.js"),
    include_str!("../report/data.js"),
    include_str!("../report/table.js"),
    include_str!("../report/head.js"),
    include_str!("../report/series.js"),
    include_str!("../report/charts.js"),
    include_str!("../report/timelines.js"),
    include_str!("../report/lists.js"),
    include_str!("../report/references.js"),
    include_str!("../report/images.js"),
    include_str!("../report/main.js"),
];

/// Fills in the template in one scan, so that inserted text is never treated as a placeholder.
pub fn fill(title: &str, data: &impl Serialize) -> Result<String, CommandError> {
    // The data cannot contain a closing script tag.
    let data = serde_json::to_string(data)?.replace('<', "\\u003c");
    let mut page = String::with_capacity(TEMPLATE.len() + CHARTS.len() + data.len() + 200_000);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            page.push_str("{{");
            rest = after;
            continue;
        };
        match name {
            "TITLE" => page.push_str(&escaped(title)),
            "STYLE" => page.push_str(STYLE),
            "CHARTS" => page.push_str(CHARTS),
            "SCRIPT" => page.push_str(&SCRIPTS.join("\n")),
            "DATA" => page.push_str(&data),
            other => {
                page.push_str("{{");
                page.push_str(other);
                page.push_str("}}");
            }
        }
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
