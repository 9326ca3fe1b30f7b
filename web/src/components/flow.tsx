import { type SankeyLink, type SankeyNode, sankey, sankeyLinkHorizontal } from "d3-sankey";
import { useEffect, useId, useMemo, useRef, useState } from "react";

export type FlowNode = { id: string; label: string; title?: string; colour?: string };
export type FlowLink = { source: string; target: string; value: number; title: string; uncertain?: boolean };

type Props = {
  /** What it is a picture of, in a word or two. */
  name: string;
  /** What the picture says, for who does not see it. */
  label: string;
  nodes: readonly FlowNode[];
  links: readonly FlowLink[];
  /** Pixels; more nodes take more. */
  height?: number;
  /** Pixels that its labels need: where it is narrower, the picture scrolls. */
  least?: number;
};

/** The width an element has, as it changes. */
function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!place.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}

/** Pixels below which only the labels at both ends have room. */
const tight = 480;

/** Money or influence from left to right: a band is as wide as its share. A table beside says the same in figures. */
export function Flow({ name, label, nodes, links, height = 260, least = 0 }: Props) {
  const [place, width] = useWidth();
  const id = useId();
  const graph = useMemo(() => {
    const drawn = links.filter(({ value }) => value > 0);
    if (width < 80 || drawn.length === 0) return undefined;
    const used = new Set(drawn.flatMap(({ source, target }) => [source, target]));
    const layout = sankey<FlowNode, FlowLink>()
      .nodeId((node) => node.id)
      .nodeWidth(10)
      .nodePadding(Math.min(18, height / (nodes.length + 1)))
      .extent([
        [1, 6],
        [width - 1, height - 6],
      ]);
    return layout({
      nodes: nodes.filter((node) => used.has(node.id)).map((node) => ({ ...node })),
      links: drawn.map((link) => ({ ...link })),
    });
  }, [nodes, links, width, height]);
  const path = sankeyLinkHorizontal<FlowNode, FlowLink>();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section tabIndex={0} aria-label={name} className="overflow-x-auto overflow-y-hidden">
      <div ref={place} style={{ height, minWidth: least }}>
        {graph && (
          <svg width={width} height={height} role="img" aria-labelledby={id}>
            <title id={id}>{label}</title>
            {graph.links.map((link: SankeyLink<FlowNode, FlowLink>) => (
              <path
                key={link.title}
                d={path(link) ?? ""}
                fill="none"
                stroke="var(--accent)"
                strokeOpacity={link.uncertain ? 0.2 : 0.38}
                strokeWidth={Math.max(1, link.width ?? 1)}
              >
                <title>{link.title}</title>
              </path>
            ))}
            {graph.nodes.map((node: SankeyNode<FlowNode, FlowLink>) => {
              const { x0 = 0, x1 = 0, y0 = 0, y1 = 0 } = node;
              const right = x0 > width / 2;
              return (
                <g key={node.id}>
                  <rect
                    x={x0}
                    y={y0}
                    width={x1 - x0}
                    height={Math.max(1, y1 - y0)}
                    fill={node.colour ?? "var(--accent)"}
                  >
                    <title>{node.title ?? node.label}</title>
                  </rect>
                  {(width >= tight || x0 < 10 || x1 > width - 10) && (
                    <text
                      x={right ? x0 - 6 : x1 + 6}
                      y={(y0 + y1) / 2}
                      dy="0.35em"
                      textAnchor={right ? "end" : "start"}
                      fontSize={12}
                      fill="var(--text)"
                    >
                      {node.label}
                    </text>
                  )}
                </g>
              );
            })}
          </svg>
        )}
      </div>
    </section>
  );
}
