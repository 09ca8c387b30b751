//! Which program is this? The command line of the library, with an allocator that costs less.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::give_back_apart();
    keyward::cli::main()
}
