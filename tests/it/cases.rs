//! Does every case file come true, over gRPC and through a real Envoy, in both of Envoy's header forms?

use std::collections::BTreeSet;

use crate::support::case::{files, read};

/// The rows of the conformance table.
const ROWS: [u32; 61] = [
    1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 22, 23, 25, 26, 28, 29, 30, 31, 32, 34, 35, 37, 38, 39,
    40, 41, 43, 44, 45, 47, 48, 49, 50, 51, 52, 54, 55, 56, 58, 61, 62, 63, 64, 65, 67, 68, 70, 71, 73, 74, 76, 78, 79,
    80, 81,
];

#[test]
fn every_row_of_the_conformance_table_has_a_case() {
    let cases = files().into_iter().flat_map(|file| read(&file));
    let rows: BTreeSet<u32> = cases.filter_map(|case| case.row).collect();
    assert_eq!(rows, BTreeSet::from(ROWS));
}
