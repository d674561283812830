//! What a site's design means: failures, findings, explanations, drawings.
