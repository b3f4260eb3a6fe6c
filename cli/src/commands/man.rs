//! `man`: the manual pages, one for the program and one for each command.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::NAME;
use crate::args::{Arguments, EXIT_CODES};
use crate::files::{print, write};
use crate::outcome::{CommandError, Exit};

/// Runs `man`: prints the main page, or writes all pages to a directory.
pub fn run(directory: Option<&Path>) -> Result<Exit, CommandError> {
    let mut program = Arguments::command();
    program.build();
    let Some(directory) = directory else {
        print(&page(program)?)?;
        return Ok(Exit::Done);
    };
    for command in program.get_subcommands().filter(|one| one.get_name() != "help") {
        let name = format!("{NAME}-{}", command.get_name());
        let command = command.clone().display_name(&name);
        write(&directory.join(format!("{name}.1")), &page(command)?)?;
    }
    write(&directory.join(format!("{NAME}.1")), &page(program)?)?;
    Ok(Exit::Done)
}

fn page(command: Command) -> Result<String, CommandError> {
    let examples = command.get_after_help().map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let man = Man::new(command);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::new();
    if let Some(examples) = examples.filter(|_| !has_commands) {
        rest.control("SH", ["EXAMPLES"]);
        rest.control("nf", []);
        for line in examples.lines().skip(1) {
            rest.text([roman(line)]);
        }
        rest.control("fi", []);
    }
    rest.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        rest.control("TP", []);
        rest.text([bold(code)]);
        rest.text([roman(meaning)]);
    }
    rest.to_writer(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
