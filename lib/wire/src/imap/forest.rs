// SPDX-License-Identifier: AGPL-3.0-or-later
//! Threads as THREAD answers them (RFC 5256 §4): trees, held flat so that their depth costs no stack.

/// One message, or a place that only holds others together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Number or UID; `None` for a message that is not there (at a root, with two children or more).
    pub number: Option<u32>,
    /// Places of its children, in order.
    pub children: Vec<usize>,
}

/// Trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forest {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Places of the roots, in order.
    pub roots: Vec<usize>,
}

enum Step {
    Tree(usize),
    Close,
}

/// `* THREAD (2)(3 6 (4 23)(44 7 96))` CRLF
pub fn encode_forest(out: &mut Vec<u8>, forest: &Forest) {
    out.extend_from_slice(b"* THREAD");
    if !forest.roots.is_empty() {
        out.push(b' ');
    }
    let mut steps: Vec<Step> = forest.roots.iter().rev().map(|&root| Step::Tree(root)).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Close => out.push(b')'),
            Step::Tree(root) => {
                out.push(b'(');
                steps.push(Step::Close);
                encode_chain(out, forest, root, &mut steps);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Numbers as long as each has one child; what branches off is left in `steps`.
fn encode_chain(out: &mut Vec<u8>, forest: &Forest, root: usize, steps: &mut Vec<Step>) {
    let mut next = forest.nodes.get(root);
    let mut begun = false;
    while let Some(node) = next {
        if let Some(number) = node.number {
            out.extend_from_slice(if begun { b" " } else { b"" });
            out.extend_from_slice(number.to_string().as_bytes());
            begun = true;
        }
        match node.children.as_slice() {
            [] => return,
            [only] => next = forest.nodes.get(*only),
            many => {
                out.extend_from_slice(if begun { b" " } else { b"" });
                steps.extend(many.iter().rev().map(|&child| Step::Tree(child)));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, children: &[usize]) -> Node {
        Node { number: (number > 0).then_some(number), children: children.to_vec() }
    }

    fn text(forest: &Forest) -> String {
        let mut out = Vec::new();
        encode_forest(&mut out, forest);
        String::from_utf8(out).expect("ASCII").trim_end().to_string()
    }

    /// RFC 5256 §4's own examples.
    #[test]
    fn trees() {
        let nodes = vec![
            node(2, &[]),
            node(3, &[2]),
            node(6, &[3, 5]),
            node(4, &[4]),
            node(23, &[]),
            node(44, &[6]),
            node(7, &[7]),
            node(96, &[]),
        ];
        assert_eq!(text(&Forest { nodes, roots: vec![0, 1] }), "* THREAD (2)(3 6 (4 23)(44 7 96))");
        let nodes = vec![node(0, &[1, 2]), node(3, &[]), node(5, &[])];
        assert_eq!(text(&Forest { nodes, roots: vec![0] }), "* THREAD ((3)(5))");
        assert_eq!(text(&Forest::default()), "* THREAD");
    }

    #[test]
    fn a_chain_of_any_length() {
        let mut nodes: Vec<Node> = (0..200_000).map(|at| node(at + 1, &[at as usize + 1])).collect();
        nodes.push(node(200_001, &[]));
        let forest = Forest { nodes, roots: vec![0] };
        assert!(text(&forest).ends_with(" 200000 200001)"));
        // Two children at each step.
        let mut nodes: Vec<Node> = (0..100_000).map(|at| node(at + 1, &[at as usize + 1, 100_000])).collect();
        nodes.push(node(100_001, &[]));
        assert!(text(&Forest { nodes, roots: vec![0] }).ends_with("(100001))"));
    }
}
