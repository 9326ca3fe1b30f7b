/**
 * All that is tested in a browser, on one node and in one Chromium. Every file of cases/ runs alone, too:
 *
 *   node --test web/e2e/cases/voter.ts
 */
// First: screens are as strangers find them, before anybody has acted.
import "./cases/screens.ts";
import "./cases/viewer.ts";
import "./cases/journeys.ts";
