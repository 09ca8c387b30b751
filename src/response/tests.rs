//! Does every reply edit what it must?
