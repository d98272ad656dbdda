//! Where panels are: rows from top to bottom, panels from left to right on 24 columns.

use super::{Design, Panel};

const COLUMNS: u64 = 24;

/// A row's heading or a panel with its id and place.
pub(super) struct Placed {
    /// Unique in the dashboard, in reading order from 1 on.
    pub(super) id: u64,
    /// The heading's text, or the panel's.
    pub(super) title: &'static str,
    /// `None`: a heading.
    pub(super) panel: Option<&'static Panel>,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
}

pub(super) fn placed(design: &Design) -> Vec<Placed> {
    let mut all = Vec::new();
    let mut top = 0;
    for row in design.rows {
        all.push(Placed {
            id: all.len() as u64 + 1,
            title: row.title,
            panel: None,
            x: 0,
            y: top,
            width: COLUMNS,
            height: 1,
        });
        top += 1;
        let (mut left, mut line) = (0, 0);
        for panel in row.panels {
            let (width, height) = panel.size;
            if left + width > COLUMNS {
                (left, top, line) = (0, top + line, 0);
            }
            all.push(Placed {
                id: all.len() as u64 + 1,
                title: panel.title,
                panel: Some(panel),
                x: left,
                y: top,
                width,
                height,
            });
            left += width;
            line = line.max(height);
        }
        top += line;
    }
    all
}
