//! Reading the rows of a lookup table: CSV as RFC 4180 has it, and two shapes of JSON.

use super::lookup::{Row, TableError};
use crate::processor::scalar::Scalar;
use crate::stdx::json::{Reader, Value};

/// Takes a row, or says why it cannot.
type Take<'f> = dyn FnMut(Row<'_>) -> Result<(), TableError> + 'f;

const fn fail<T>(line: usize, what: &'static str) -> Result<T, TableError> {
    Err(TableError::Line { line, what })
}

/// Rows of a CSV text with a header line. Cells without text set nothing; lines without anything are passed over.
pub(super) fn csv(text: &str, column: Option<&str>, take: &mut Take<'_>) -> Result<(), TableError> {
    let mut lines = Lines { rest: text, line: 1 };
    let mut header = Vec::new();
    if lines.next_row(&mut header)?.is_none() {
        return fail(1, "a header line is needed");
    }
    let key_at = match column {
        None => 0,
        Some(name) => {
            let at = header.iter().position(|column| column == name);
            at.ok_or_else(|| TableError::Column(name.to_owned()))?
        }
    };
    let mut cells = Vec::new();
    while let Some(line) = lines.next_row(&mut cells)? {
        if cells.len() != header.len() {
            return fail(line, "the number of cells is not that of the header");
        }
        let mut key = String::new();
        let mut others = Vec::with_capacity(cells.len());
        for (index, (name, cell)) in header.iter().zip(cells.drain(..)).enumerate() {
            match index == key_at {
                true => key = cell,
                false if cell.is_empty() => {}
                false => others.push((name.as_str(), Scalar::Str(cell))),
            }
        }
        take(Row { line, key: &key, cells: &others })?;
    }
    Ok(())
}

struct Lines<'t> {
    rest: &'t str,
    line: usize,
}

impl Lines<'_> {
    /// The cells of the next row that has any, and the line it begins on.
    fn next_row(&mut self, cells: &mut Vec<String>) -> Result<Option<usize>, TableError> {
        loop {
            let blank = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
            let Some(rest) = blank else { break };
            self.rest = rest;
            self.line += 1;
        }
        cells.clear();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.line;
        while !self.cell(cells)? {}
        Ok(Some(start))
    }

    /// Reads one cell; true when it was the last of its row.
    fn cell(&mut self, cells: &mut Vec<String>) -> Result<bool, TableError> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            let cell = self.quoted()?;
            cells.push(cell);
        } else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let cell = &self.rest[..end];
            let cell = if self.rest[end..].starts_with(',') { cell } else { cell.strip_suffix('\r').unwrap_or(cell) };
            if cell.contains('"') {
                return fail(self.line, "a quote inside a cell that is not quoted");
            }
            cells.push(cell.to_owned());
            self.rest = self.rest[end..].trim_start_matches('\r');
        }
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return Ok(false);
        }
        let rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
        match rest {
            Some(rest) => self.rest = rest,
            None if self.rest.is_empty() => {}
            None => return fail(self.line, "text after a closing quote"),
        }
        self.line += 1;
        Ok(true)
    }

    /// What stands before the closing quote; two quotes stand for one.
    fn quoted(&mut self) -> Result<String, TableError> {
        let mut cell = String::new();
        loop {
            let Some(end) = self.rest.find('"') else { return fail(self.line, "a quote is not closed") };
            cell.push_str(&self.rest[..end]);
            self.line += self.rest[..end].matches('\n').count();
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    cell.push('"');
                    self.rest = rest;
                }
                None => return Ok(cell),
            }
        }
    }
}

/// Rows of a JSON text: `{"key": {"attribute": value}}`, or `[{"column": "key", "attribute": value}]`. Members that are
/// `null` set nothing.
pub(super) fn json(text: &str, column: &str, take: &mut Take<'_>) -> Result<(), TableError> {
    let mut reader = Json { reader: reader(text)?, text, counted: (0, 1) };
    match reader.value()? {
        Value::Object => {
            while let Some(key) = reader.member()? {
                let line = reader.line();
                if !matches!(reader.value()?, Value::Object) {
                    return fail(line, "what stands under a key must be an object");
                }
                let cells = reader.cells()?;
                take(row(line, &key, &cells).row())?;
            }
        }
        Value::Array => {
            while reader.element()? {
                let line = reader.line();
                if !matches!(reader.value()?, Value::Object) {
                    return fail(line, "a list must hold objects");
                }
                let mut cells = reader.cells()?;
                let Some(at) = cells.iter().position(|(name, _)| name == column) else {
                    return fail(line, "the member with the key is missing");
                };
                let key = match cells.remove(at).1 {
                    Scalar::Str(key) => key,
                    Scalar::Int(key) => key.to_string(),
                    Scalar::Bool(_) | Scalar::Double(_) => return fail(line, "a key must be a string or whole number"),
                };
                take(row(line, &key, &cells).row())?;
            }
        }
        _ => return fail(1, "an object or a list is needed"),
    }
    reader.end()
}

fn reader(text: &str) -> Result<Reader<'_>, TableError> {
    Reader::new(text.as_bytes()).map_err(|_| TableError::Line { line: 1, what: "not JSON" })
}

/// A row whose cells are borrowed.
struct Borrowed<'t> {
    line: usize,
    key: &'t str,
    cells: Vec<(&'t str, Scalar)>,
}

fn row<'t>(line: usize, key: &'t str, cells: &'t [(String, Scalar)]) -> Borrowed<'t> {
    Borrowed { line, key, cells: cells.iter().map(|(name, value)| (name.as_str(), value.clone())).collect() }
}

impl Borrowed<'_> {
    fn row(&self) -> Row<'_> {
        Row { line: self.line, key: self.key, cells: &self.cells }
    }
}

struct Json<'t> {
    reader: Reader<'t>,
    text: &'t str,
    /// Up to where lines were counted, and how many there are.
    counted: (usize, usize),
}

impl<'t> Json<'t> {
    /// The line that is being read.
    fn line(&mut self) -> usize {
        let (from, before) = self.counted;
        let to = self.reader.offset().max(from);
        let more = self.text.as_bytes()[from..to].iter().filter(|byte| **byte == b'\n').count();
        self.counted = (to, before + more);
        before + more
    }

    fn wrong<T, E>(&mut self, result: Result<T, E>) -> Result<T, TableError> {
        result.map_err(|_| TableError::Line { line: self.line(), what: "not JSON" })
    }

    fn value(&mut self) -> Result<Value<'t>, TableError> {
        let value = self.reader.value();
        self.wrong(value)
    }

    fn member(&mut self) -> Result<Option<String>, TableError> {
        let member = self.reader.next_member();
        let member = self.wrong(member)?;
        Ok(member.map(|name| name.read(&mut String::new()).to_owned()))
    }

    fn element(&mut self) -> Result<bool, TableError> {
        let element = self.reader.next_element();
        self.wrong(element)
    }

    fn end(&mut self) -> Result<(), TableError> {
        let end = self.reader.end();
        self.wrong(end)
    }

    /// The members of the object that was just opened.
    fn cells(&mut self) -> Result<Vec<(String, Scalar)>, TableError> {
        let mut cells = Vec::new();
        while let Some(name) = self.member()? {
            let value = match self.value()? {
                Value::Str(text) => Scalar::Str(text.read(&mut String::new()).to_owned()),
                Value::Bool(value) => Scalar::Bool(value),
                Value::Number(number) => match (number.parse(), number.parse()) {
                    (Ok(whole), _) => Scalar::Int(whole),
                    (_, Ok(number)) => Scalar::Double(number),
                    _ => return fail(self.line(), "a number is out of range"),
                },
                Value::Null => continue,
                Value::Object | Value::Array => {
                    return fail(self.line(), "a value must be a string, number or boolean");
                }
            };
            cells.push((name, value));
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, read: fn(&str, &mut Take<'_>) -> Result<(), TableError>) -> Result<Vec<String>, TableError> {
        let mut rows = vec![];
        read(text, &mut |row| {
            let cells: Vec<String> = row.cells.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            rows.push(format!("{}:{}:{}", row.line, row.key, cells.join(",")));
            Ok(())
        })?;
        Ok(rows)
    }

    fn csv_rows(text: &str) -> Result<Vec<String>, TableError> {
        read(text, |text, take| csv(text, None, take))
    }

    fn json_rows(text: &str) -> Result<Vec<String>, TableError> {
        read(text, |text, take| json(text, "key", take))
    }

    #[test]
    fn csv_is_read_as_its_specification_has_it() {
        let expected = [r#"2:a:x=Str("1"),y=Str("2")"#, r#"3:b:y=Str(" 3 ")"#];
        assert_eq!(csv_rows("k,x,y\na,1,2\nb,, 3 ").unwrap(), expected);
        assert_eq!(csv_rows("k,x,y\r\na,1,2\r\nb,, 3 \r\n").unwrap(), expected);
        let quoted = csv_rows("\"k\",x\n\"a,\"\"b\"\"\",\"two\nlines\"\n\n\nc,1\n").unwrap();
        assert_eq!(quoted, [r#"2:a,"b":x=Str("two\nlines")"#, r#"6:c:x=Str("1")"#]);
        assert_eq!(csv_rows("k\n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn broken_csv_is_named_by_its_line() {
        let line = |line, what| Err(TableError::Line { line, what });
        assert_eq!(csv_rows(""), line(1, "a header line is needed"));
        assert_eq!(csv_rows("k,x\na,1\nb\n"), line(3, "the number of cells is not that of the header"));
        assert_eq!(csv_rows("k,x\na,\"1\n"), line(2, "a quote is not closed"));
        assert_eq!(csv_rows("k,x\na,1\"\n"), line(2, "a quote inside a cell that is not quoted"));
        assert_eq!(csv_rows("k,x\n\"a\"b,1\n"), line(2, "text after a closing quote"));
        let by = read("k,x\n", |text, take| csv(text, Some("z"), take));
        assert_eq!(by, Err(TableError::Column("z".into())));
    }

    #[test]
    fn json_has_two_shapes() {
        let object = json_rows("{\"a\": {\"x\": 1, \"y\": null},\n\"b\": {\"x\": 0.5, \"z\": \"\\u00e9\"}}").unwrap();
        assert_eq!(object, ["1:a:x=Int(1)", r#"2:b:x=Double(0.5),z=Str("é")"#]);
        let list = json_rows("[{\"x\": true, \"key\": 7}]").unwrap();
        assert_eq!(list, ["1:7:x=Bool(true)"]);
    }

    #[test]
    fn broken_json_is_named_by_its_line() {
        let line = |line, what| Err(TableError::Line { line, what });
        assert_eq!(json_rows("7"), line(1, "an object or a list is needed"));
        assert_eq!(json_rows("{\"a\":\n 7}"), line(1, "what stands under a key must be an object"));
        assert_eq!(json_rows("[{\"x\": 1}]"), line(1, "the member with the key is missing"));
        assert_eq!(json_rows("{\"a\": {\"x\":\n [1]}}"), line(2, "a value must be a string, number or boolean"));
        assert_eq!(json_rows("{\"a\": {}} x"), line(1, "not JSON"));
        assert_eq!(json_rows("{\"a\": {"), line(1, "not JSON"));
    }
}
