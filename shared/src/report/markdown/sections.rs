//! A document of limited length. Its sections have rows, of which the last ones can be dropped.

use crate::text_fmt::counted;

/// The maximum number of characters of the line that counts the dropped rows.
const LEFT_OUT: usize = 120;

/// A section of a document.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// The text before the rows. Never cut.
    pub head: String,
    /// Lines, of which the last ones can be dropped.
    pub rows: Vec<String>,
    /// The text after the rows. Never cut.
    pub tail: String,
}

impl Section {
    /// Creates a section that is never cut.
    pub(super) fn fixed(head: String) -> Self {
        Self { head, ..Self::default() }
    }

    /// Returns the number of characters that are never cut.
    fn fixed_length(&self) -> usize {
        let left_out = if self.rows.is_empty() { 0 } else { LEFT_OUT };
        length(&self.head) + length(&self.tail) + left_out
    }

    fn rows_length(&self) -> usize {
        self.rows.iter().map(|row| length(row)).sum()
    }

    /// Appends the section with at most `room` characters of rows.
    fn write(&self, into: &mut String, mut room: usize, how_to_see_all: &str) {
        into.push_str(&self.head);
        let mut shown = 0;
        for row in &self.rows {
            let Some(left) = room.checked_sub(length(row)) else { break };
            room = left;
            into.push_str(row);
            shown += 1;
        }
        let left_out = self.rows.len() - shown;
        if left_out > 0 {
            let rows = counted(left_out, "more row");
            into.push_str(&format!("\n{rows} omitted; {how_to_see_all}\n"));
        }
        into.push_str(&self.tail);
    }
}

/// Concatenates the sections, with at most `max` characters. Short sections remain complete; the
/// others share the remaining space equally.
pub(super) fn fit(sections: &[Section], max: usize, how_to_see_all: &str) -> String {
    let fixed: usize = sections.iter().map(Section::fixed_length).sum();
    let mut room = max.saturating_sub(fixed);
    let mut by_length: Vec<usize> = (0..sections.len()).collect();
    let rows_length = |index: &usize| sections.get(*index).map_or(0, Section::rows_length);
    by_length.sort_by_key(rows_length);
    let mut rooms = vec![0; sections.len()];
    for (place, index) in by_length.iter().enumerate() {
        let share = room / (sections.len() - place);
        let given = rows_length(index).min(share);
        room -= given;
        if let Some(of) = rooms.get_mut(*index) {
            *of = given;
        }
    }
    let mut text = String::new();
    for (section, room) in sections.iter().zip(rooms) {
        section.write(&mut text, room, how_to_see_all);
    }
    text
}

/// Returns the length in code points, which is how GitHub counts.
fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(rows: usize) -> Section {
        let rows = (0..rows).map(|row| format!("{row:09}\n")).collect();
        Section { head: "head\n".to_owned(), rows, tail: "tail\n".to_owned() }
    }

    #[test]
    fn everything_is_there_if_there_is_room() {
        let text = fit(&[section(2), Section::fixed("x\n".to_owned())], 500, "see all");
        assert_eq!(text, "head\n000000000\n000000001\ntail\nx\n");
    }

    #[test]
    fn long_sections_are_cut_by_whole_rows_and_short_ones_stay_whole() {
        let sections = [section(100), section(3), section(100)];
        let max = 1_000;
        let text = fit(&sections, max, "see all");
        assert!(length(&text) <= max, "{text}");
        let counts: Vec<usize> = text
            .split("head\n")
            .skip(1)
            .map(|part| part.lines().filter(|line| line.len() == 9).count())
            .collect();
        let [first, second, third] = counts.as_slice() else { panic!("{text}") };
        assert_eq!(*second, 3);
        assert_eq!(first, third);
        // (1,000 - 3 × (10 + 120) - 30) / 2 characters per section, 10 per row.
        assert_eq!(*first, 29);
        assert!(text.contains("\n71 more rows omitted; see all\n"), "{text}");
    }
}
