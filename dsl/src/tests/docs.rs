//! Every block of code in the language's documentation is text of the language.

use super::good;

#[test]
fn every_sql_block_of_the_documentation_parses() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/language.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
    for block in blocks {
        assert!(!good(block).statements.is_empty(), "an empty block");
    }
}
