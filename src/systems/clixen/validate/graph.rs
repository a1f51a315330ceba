//! The workflow as a graph: what starts it, which nodes are connected, and whether the outputs and inputs exist.

use super::connections::Link;
use super::nodes::Node;
use super::report::Part::{At, Key};
use super::report::Report;
use super::report::Weight::{self, Error, Warning};
use super::{rules, types};

/// Checks that there is a node to run, and one that starts it.
pub fn check_triggers(nodes: &[Node], links: &[Link<'_>], report: &mut Report) {
    let path = [Key("nodes")];
    if nodes.iter().all(types::is_note) {
        report.add(Error, &rules::NO_EXECUTABLE_NODE, &path, &[]);
        return;
    }
    if !starting(nodes, links).contains(&true) {
        report.add_for_deployment(false, &rules::TRIGGER_MISSING, &path, &[]);
    }
}

/// Marks each node by which n8n starts the workflow without a user in the editor.
fn starting(nodes: &[Node], links: &[Link<'_>]) -> Vec<bool> {
    // A node of another package with an incoming connection is not a trigger.
    let led_to = marks(nodes, links, |link| {
        (link.kind == "main").then_some(link.to)
    });
    let starts = |(node, led_to): (&Node, &bool)| {
        types::starts_by_itself(node) && (types::is_trigger(node) || !led_to)
    };
    nodes.iter().zip(&led_to).map(starts).collect()
}

/// Whether a deployment would run any node that is not a trigger. True if all nodes are triggers.
fn does_something(nodes: &[Node], links: &[Link<'_>]) -> bool {
    let acts =
        |node: &Node| !types::is_note(node) && !node.is_disabled() && !types::is_trigger(node);
    let starting = starting(nodes, links);
    let reached = reached(nodes, links, starting.clone());
    let mut acting = nodes.iter().zip(reached).zip(starting);
    !nodes.iter().any(acts)
        || acting.any(|((node, reached), starts)| acts(node) && reached && !starts)
}

/// Marks each node to which `points_out` leads for some link.
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

/// Checks the connections, if all of them could be read.
pub fn check(nodes: &[Node], links: &[Link<'_>], report: &mut Report) {
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
    // What n8n would run without is a warning, unless a deployment would run nothing at all.
    let blocking = if report.is_for_deployment() && !does_something(nodes, links) {
        Error
    } else {
        Warning
    };
    if check_disconnected(nodes, links, &connected, blocking, report) {
        check_reachable(nodes, links, &connected, blocking, report);
    }
    let is_on = |link: &&Link<'_>| {
        let source = nodes.get(link.from);
        link.kind == "ai_languageModel" && source.is_some_and(|node| !node.is_disabled())
    };
    let mut has_model: Vec<bool> = nodes.iter().map(|_| false).collect();
    for link in links.iter().filter(is_on) {
        if let Some(mark) = has_model.get_mut(link.to) {
            *mark = true;
        }
    }
    for (at, (node, has_model)) in nodes.iter().zip(has_model).enumerate() {
        if types::needs_model(node) && !node.is_disabled() && !has_model {
            let path = [Key("nodes"), At(at)];
            report.add(Error, &rules::AI_MODEL_MISSING, &path, &[node.name()]);
        }
    }
}

/// Checks that output and input exist, if their number is known.
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

/// Reports nodes without connections. Tells whether it makes sense to check which nodes are reachable.
fn check_disconnected(
    nodes: &[Node],
    links: &[Link<'_>],
    connected: &[bool],
    blocking: Weight,
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
            let path = [Key("connections")];
            report.add(blocking, &rules::CONNECTIONS_NONE, &path, &[]);
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
            report.add(blocking, &rules::NODE_DISCONNECTED, &path, &[node.name()]);
        }
    }
    true
}

/// Reports nodes that no trigger leads to. A node that serves another by an `ai_` port is reached together with it.
fn check_reachable(
    nodes: &[Node],
    links: &[Link<'_>],
    connected: &[bool],
    blocking: Weight,
    report: &mut Report,
) {
    let may_start = |node: &Node| types::may_start(node) && !node.is_disabled();
    let starts: Vec<bool> = nodes.iter().map(may_start).collect();
    if !starts.contains(&true) {
        // The missing trigger has been reported.
        return;
    }
    let reached = reached(nodes, links, starts);
    for (at, node) in nodes.iter().enumerate() {
        if connected.get(at) == Some(&true)
            && reached.get(at) == Some(&false)
            && !node.is_disabled()
        {
            let path = [Key("nodes"), At(at)];
            report.add(blocking, &rules::NODE_UNREACHABLE, &path, &[node.name()]);
        }
    }
}

/// Marks each node that is marked already, or that such a node leads to.
fn reached(nodes: &[Node], links: &[Link<'_>], mut reached: Vec<bool>) -> Vec<bool> {
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
    reached
}
