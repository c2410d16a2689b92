//! placeholder
/// Report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {}
