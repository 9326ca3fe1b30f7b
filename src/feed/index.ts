/**
 * # feed: what happens, as it happens
 *
 * One stream of server-sent events for whoever watches the node. {@link openFeed} reads {@link Source}s (other rooms' durable rows, each by a
 * cursor), keeps the newest events in a log in the database, and gives every reader what comes after the id it saw last: nothing lost,
 * nothing twice, across cut connections and restarts. {@link feedRoutes}: `/v1/events`.
 *
 * `log` keeps events and cursors, `pump` carries from the sources into it, `readers` gives out. A reader costs its place and nothing else;
 * one that does not read is cut.
 */
export { type Cursor, type FeedEvent, type Source, type Topic, topics } from "./event.ts";
export { feedRoutes } from "./routes.ts";
export { type Feed, type FeedLimits, type FeedOptions, openFeed } from "./service.ts";
