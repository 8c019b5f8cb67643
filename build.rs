//! A new file in `static/` is compiled in at the next build, not only at the next change of the code.

fn main() {
    println!("cargo::rerun-if-changed=static");
}
