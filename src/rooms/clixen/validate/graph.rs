//! The whole: what starts it, what is connected with what, and by outputs and inputs that are there.

use super::connections::Link;
use super::nodes::Node;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::{Error, Warning};
use super::{rules, types};

/// Whether there is something to run, and something that starts it.
pub fn judge_triggers(nodes: &[Node], links: &[Link<'_>], report: &mut Report) {
    let path = [Key("nodes")];
    if nodes.iter().all(types::is_note) {
        report.add(Error, &rules::NO_EXECUTABLE_NODE, &path, &[]);
        return;
    }
    // A node of another package that something leads to is none.
    let led_to = marks(nodes, links, |link| {
        (link.kind == "main").then_some(link.to)
    });
    let starts = |(node, led_to): (&Node, &bool)| {
        types::starts_by_itself(node) && (types::is_trigger(node) || !led_to)
    };
    if !nodes.iter().zip(&led_to).any(starts) {
        report.add_for_deployment(false, &rules::TRIGGER_MISSING, &path, &[]);
    }
}

/// A mark for each node that some link points out.
fn marks<'a>(
    nodes: &[Node],
    links: &[Link<'a>],
    points_out: fn(&Link<'a>) -> Option<usize>,
) -> Vec<bool> {
    let mut marks: Vec<bool> = nodes.iter().map(|_| false).collect();
    for at in links.iter().filter_map(points_out) {
        if let Some(mark) = marks.get_mut(at) {
            *mark = true;
        }
    }
    marks
}

/// Judges connections, where all of them could be read.
pub fn judge(nodes: &[Node], links: &[Link<'_>], report: &mut Report) {
    for link in links {
        bounds(nodes, link, report);
    }
    let sources = marks(nodes, links, |link| Some(link.from));
    let targets = marks(nodes, links, |link| Some(link.to));
    let connected: Vec<bool> = sources
        .iter()
        .zip(targets)
        .map(|(from, to)| *from || to)
        .collect();
    if judge_loose(nodes, links, &connected, report) {
        judge_reach(nodes, links, &connected, report);
    }
    let has_model = marks(nodes, links, |link| {
        (link.kind == "ai_languageModel").then_some(link.to)
    });
    for (at, (node, has_model)) in nodes.iter().zip(has_model).enumerate() {
        if types::needs_model(node) && !node.is_disabled() && !has_model {
            let path = [Key("nodes"), At(at)];
            report.add(Error, &rules::AI_MODEL_MISSING, &path, &[node.name()]);
        }
    }
}

/// Outputs and inputs that the two nodes have, where it is known how many.
fn bounds(nodes: &[Node], link: &Link<'_>, report: &mut Report) {
    let (Some(from), Some(to)) = (nodes.get(link.from), nodes.get(link.to)) else {
        return;
    };
    if link.port == "main"
        && let Some(count) = types::outputs(from).filter(|count| link.output >= *count)
    {
        let names = [from.name(), &link.output.to_string(), &count.to_string()];
        report.add(Error, &rules::CONNECTION_OUTPUT_UNKNOWN, &link.path, &names);
    }
    if link.kind != "main" {
        return;
    }
    if types::is_trigger(to) {
        report.add(
            Warning,
            &rules::CONNECTION_INTO_TRIGGER,
            &link.path,
            &[to.name()],
        );
    } else if let Some(count) = types::inputs(to).filter(|count| link.input >= *count) {
        let names = [to.name(), &link.input.to_string(), &count.to_string()];
        report.add(Error, &rules::CONNECTION_INPUT_UNKNOWN, &link.path, &names);
    }
}

/// Nodes that nothing is connected with. Says whether there is a point in asking what leads to them.
fn judge_loose(
    nodes: &[Node],
    links: &[Link<'_>],
    connected: &[bool],
    report: &mut Report,
) -> bool {
    let is_run = |node: &Node| !types::is_note(node) && !node.is_disabled();
    let run: Vec<(usize, &Node)> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| is_run(node) && !node.full_type().is_empty())
        .collect();
    let only = nodes.iter().filter(|node| !types::is_note(node)).count() == 1;
    if only {
        if let [(at, node)] = run.as_slice()
            && !types::may_start(node)
        {
            let path = [Key("nodes"), At(*at)];
            report.add(Error, &rules::NODE_ALONE, &path, &[node.name()]);
        }
        return false;
    }
    if links.is_empty() {
        if run.len() > 1 {
            report.add(Error, &rules::CONNECTIONS_NONE, &[Key("connections")], &[]);
        }
        return false;
    }
    for (at, node) in run {
        if connected.get(at) == Some(&true) {
            continue;
        }
        let path = [Key("nodes"), At(at)];
        if types::may_start(node) {
            report.add(Warning, &rules::TRIGGER_DISCONNECTED, &path, &[node.name()]);
        } else {
            report.add(Error, &rules::NODE_DISCONNECTED, &path, &[node.name()]);
        }
    }
    true
}

/// What no trigger leads to. A node that serves another by one of the `ai_` ports is reached with it.
fn judge_reach(nodes: &[Node], links: &[Link<'_>], connected: &[bool], report: &mut Report) {
    let mut next: Vec<Vec<usize>> = nodes.iter().map(|_| Vec::new()).collect();
    for link in links {
        let (from, to) = if link.port.starts_with("ai_") {
            (link.to, link.from)
        } else {
            (link.from, link.to)
        };
        if let Some(next) = next.get_mut(from) {
            next.push(to);
        }
    }
    let mut reached: Vec<bool> = nodes.iter().map(types::may_start).collect();
    if !reached.contains(&true) {
        // That nothing starts it has been said.
        return;
    }
    let mut open: Vec<usize> = (0..nodes.len())
        .filter(|at| reached.get(*at) == Some(&true))
        .collect();
    while let Some(at) = open.pop() {
        for to in next.get(at).into_iter().flatten() {
            if let Some(reached) = reached.get_mut(*to).filter(|reached| !**reached) {
                *reached = true;
                open.push(*to);
            }
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        if connected.get(at) == Some(&true)
            && reached.get(at) == Some(&false)
            && !node.is_disabled()
        {
            let path = [Key("nodes"), At(at)];
            report.add(Warning, &rules::NODE_UNREACHABLE, &path, &[node.name()]);
        }
    }
}
