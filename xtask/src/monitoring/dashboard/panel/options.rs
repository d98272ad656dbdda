//! What each kind of panel wants to be told.

use serde_json::{Value, json};

use super::{Colours, Kind, Panel, YESTERDAY};

impl Kind {
    /// Grafana's name of the panel's plugin.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Stat => "stat",
            Self::Lines | Self::Stack => "timeseries",
            Self::States(_) => "state-timeline",
            Self::Alerts => "alertlist",
        }
    }
}

impl Panel {
    pub(super) fn options(&self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        let legend = json!({
            "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [],
        });
        match self.kind {
            Kind::Gauge => json!({
                "reduceOptions": last,
                "orientation": "auto",
                "showThresholdLabels": false,
                "showThresholdMarkers": true,
            }),
            Kind::Stat => json!({
                "reduceOptions": last,
                "orientation": "auto",
                "colorMode": "value",
                "graphMode": "area",
                "justifyMode": "auto",
                "textMode": "auto",
            }),
            Kind::Lines | Kind::Stack => json!({
                "legend": legend,
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            Kind::States(_) => json!({
                "legend": legend,
                "mergeValues": true,
                "rowHeight": 0.8,
                "showValue": "auto",
                "tooltip": { "mode": "single", "sort": "none" },
            }),
            Kind::Alerts => json!({
                "alertInstanceLabelFilter": "{service=\"forewarm\"}",
                "alertName": "",
                "dashboardAlerts": false,
                "groupBy": [],
                "groupMode": "default",
                "maxItems": 50,
                "sortOrder": 3,
                "stateFilter": {
                    "error": true, "firing": true, "noData": false, "normal": false, "pending": true,
                },
                "viewMode": "list",
            }),
        }
    }

    pub(super) fn custom(&self) -> Value {
        let style = match self.colours {
            Colours::Levels(_) => "dashed",
            _ => "off",
        };
        let lines = |width: u8, opacity: u8, stacking: &str| {
            json!({
                "drawStyle": "line",
                "lineWidth": width,
                "fillOpacity": opacity,
                "showPoints": "never",
                "spanNulls": false,
                "stacking": { "mode": stacking, "group": "A" },
                "thresholdsStyle": { "mode": style },
            })
        };
        match self.kind {
            Kind::Lines => lines(2, 0, "none"),
            Kind::Stack => lines(1, 40, "normal"),
            Kind::States(_) => json!({ "fillOpacity": 70, "lineWidth": 0 }),
            Kind::Gauge | Kind::Stat | Kind::Alerts => json!({}),
        }
    }

    /// The names of a state's numbers.
    pub(super) fn mappings(&self) -> Value {
        let Kind::States(names) = self.kind else {
            return json!([]);
        };
        let mut options = json!({});
        for (index, name) in names.iter().enumerate() {
            options[index.to_string()] = json!({ "index": index, "text": name });
        }
        json!([{ "type": "value", "options": options }])
    }

    pub(super) fn overrides(&self) -> Value {
        if self.yesterday == 0 {
            return json!([]);
        }
        json!([{
            "matcher": { "id": "byRegexp", "options": format!("/^{YESTERDAY}/") },
            "properties": [
                // "text" is the theme's own grey: readable on dark and on light.
                { "id": "color", "value": { "mode": "fixed", "fixedColor": "text" } },
                { "id": "custom.lineWidth", "value": 1 },
                { "id": "custom.lineStyle", "value": { "fill": "dash", "dash": [4, 8] } },
                { "id": "custom.fillOpacity", "value": 0 },
                { "id": "custom.stacking", "value": { "mode": "none", "group": "yesterday" } },
            ],
        }])
    }
}
