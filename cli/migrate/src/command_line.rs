//! Parses amicleaner command lines like its `utils.py`.

use steward::suggest::shown;

/// One call of amicleaner in a file.
pub struct ShellCommand {
    pub line: usize,
    /// `None` if a quote is not closed.
    pub words: Option<Vec<String>>,
}

/// The options of a call that affect what it removes.
#[derive(Default)]
pub struct Options {
    pub mapping_key: Option<String>,
    pub mapping_values: Vec<String>,
    pub excluded: Vec<String>,
    pub keep_previous: Option<i64>,
    pub min_days: Option<i64>,
    pub from_ids: Vec<String>,
    pub check_orphans: bool,
    pub force: bool,
    /// Whether the call only prints the version or the help.
    pub is_only_info: bool,
}

/// The options of amicleaner, and the number of their values.
const KNOWN: [(&str, Values); 11] = [
    ("--help", Values::None),
    ("--version", Values::None),
    ("--from-ids", Values::Several),
    ("--full-report", Values::None),
    ("--mapping-key", Values::One),
    ("--mapping-values", Values::Several),
    ("--excluded-mapping-values", Values::Several),
    ("--keep-previous", Values::One),
    ("--force-delete", Values::None),
    ("--check-orphans", Values::None),
    ("--ami-min-days", Values::One),
];

#[derive(Clone, Copy, PartialEq)]
enum Values {
    None,
    One,
    Several,
}

/// The calls in a text, which can be a command line, a script or a crontab.
pub fn commands(text: &str) -> Vec<ShellCommand> {
    let mut commands = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((first, line)) = lines.next() {
        let mut whole = first.to_owned();
        while let Some(head) = whole.trim_end().strip_suffix('\\') {
            let Some((next, _)) = lines.next() else { break };
            whole = format!("{head} {next}");
        }
        if whole.trim_start().starts_with('#') || !whole.contains("amicleaner") {
            continue;
        }
        match shlex::split(&whole) {
            Some(words) => {
                let calls = split(words).into_iter().filter_map(|words| call_in(&words));
                commands.extend(calls.map(|words| ShellCommand { line, words: Some(words) }));
            }
            None => commands.push(ShellCommand { line, words: None }),
        }
    }
    commands
}

/// The commands of a line.
fn split(words: Vec<String>) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for word in words {
        let ends = matches!(word.as_str(), "|" | "||" | "&&" | ";" | "&");
        let stripped = word.strip_suffix(';').map(str::to_owned);
        let is_last = stripped.is_some();
        if let (false, Some(command)) = (ends, commands.last_mut()) {
            command.push(stripped.unwrap_or(word));
        }
        if ends || is_last {
            commands.push(Vec::new());
        }
    }
    commands
}

/// The words after the program name, or `None` if the command does not call amicleaner.
fn call_in(words: &[String]) -> Option<Vec<String>> {
    let is_program = |word: &String| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.split(':').next().unwrap_or(name);
        matches!(name, "amicleaner" | "amicleaner.cli" | "aws-amicleaner")
    };
    let is_redirection = |word: &&String| word.trim_start_matches(['1', '2', '&']).starts_with('>');
    let after = words.iter().rposition(is_program)? + 1;
    // Installing amicleaner is not a call.
    if words.iter().take(after).any(|word| word == "install" || word == "pull" || word == "build") {
        return None;
    }
    let rest = words.get(after..).unwrap_or_default();
    Some(rest.iter().take_while(|word| !is_redirection(word)).cloned().collect())
}

pub fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let (name, takes) = option(name)?;
        let mut values: Vec<String> = inline.into_iter().collect();
        while takes == Values::Several || (takes == Values::One && values.is_empty()) {
            match words.next_if(|next| !is_option(next)) {
                Some(value) => values.push(value.clone()),
                None => break,
            }
        }
        if (takes == Values::None) != values.is_empty() {
            return Err(format!("wrong number of values for the amicleaner option {name}"));
        }
        if let Some(variable) = values.iter().find(|value| value.contains(['$', '`'])) {
            return Err(format!("`{}` is a variable; replace it with its value", shown(variable)));
        }
        options.set(name, values)?;
    }
    if !options.is_only_info && options.mapping_key.is_some() && options.mapping_values.is_empty() {
        return Err("--mapping-key requires --mapping-values".to_owned());
    }
    Ok(options)
}

/// Whether a word is an option; a negative number is a value.
fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.parse::<i64>().is_err()
}

/// The full name of an option and the number of its values. A unique prefix of a name is accepted.
fn option(name: &str) -> Result<(&'static str, Values), String> {
    match name {
        "-h" => return Ok(("--help", Values::None)),
        "-v" => return Ok(("--version", Values::None)),
        "-f" => return Ok(("--force-delete", Values::None)),
        // The spelling in the README of amicleaner.
        "-excluded-mapping-values" => return Ok(("--excluded-mapping-values", Values::Several)),
        _ => {}
    }
    if let Some(exact) = KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(*exact);
    }
    let mut begins = KNOWN.iter().filter(|(known, _)| name.len() > 2 && known.starts_with(name));
    match (begins.next(), begins.next()) {
        (Some(only), None) => Ok(*only),
        _ => Err(format!("unknown amicleaner option `{}`", shown(name))),
    }
}

impl Options {
    fn set(&mut self, name: &str, values: Vec<String>) -> Result<(), String> {
        let number = || {
            let text = values.first().map(String::as_str).unwrap_or_default();
            text.parse::<i64>()
                .map(Some)
                .map_err(|_| format!("invalid number `{}` for {name}", shown(text)))
        };
        match name {
            "--from-ids" => self.from_ids = values,
            "--mapping-key" => self.mapping_key = values.into_iter().next(),
            "--mapping-values" => self.mapping_values = values,
            "--excluded-mapping-values" => self.excluded = values,
            "--keep-previous" => self.keep_previous = number()?,
            "--ami-min-days" => self.min_days = number()?,
            "--check-orphans" => self.check_orphans = true,
            "--force-delete" => self.force = true,
            "--version" | "--help" => self.is_only_info = true,
            _ => {}
        }
        Ok(())
    }
}
