export { type ChainStatus, type EmbeddedChain, openEmbeddedChain, totalSupplyWei } from "./embedded.ts";
