import { Button } from "../components/ui/button.tsx";

type Props = { address: `0x${string}`; title: string; onLook: () => void };

/** Says that an account holds too little, and how it comes to more. */
export function TooLittle({ address, title, onLook }: Props) {
  return (
    <div className="rounded-md border p-3 text-sm">
      <p className="font-medium">{title}</p>
      <p className="mt-1 text-quiet">
        Have some sent to it. On a network of your own, the operator gives it:
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <code tabIndex={0} className="mt-2 block overflow-x-auto rounded bg-sunken p-2 font-mono text-xs">
        ./openledger wallet faucet 10 --to {address}
      </code>
      <Button className="mt-2" size="small" onClick={onLook}>
        Look again
      </Button>
    </div>
  );
}
