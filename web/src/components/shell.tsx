import { Link, Outlet } from "@tanstack/react-router";
import {
  BlocksIcon,
  BoxesIcon,
  CoinsIcon,
  DatabaseIcon,
  FactoryIcon,
  HomeIcon,
  LandmarkIcon,
  MenuIcon,
  MessagesSquareIcon,
  MoonIcon,
  SunIcon,
  VoteIcon,
} from "lucide-react";
import { useState } from "react";
import { useIsLive } from "../api/events.ts";
import { cn } from "../lib/cn.ts";
import { short } from "../lib/format.ts";
import { useTheme } from "../lib/theme.ts";
import { useTourMark, useTourScreen } from "../tour/tour.ts";
import { Tour } from "../tour/tour.tsx";
import { SignIn } from "../wallet/sign-in.tsx";
import { useWallet } from "../wallet/wallet.ts";
import { Button } from "./ui/button.tsx";

const places = [
  { to: "/", label: "Home", Icon: HomeIcon },
  { to: "/datanets", label: "Datanets", Icon: DatabaseIcon },
  { to: "/models", label: "Models", Icon: BoxesIcon },
  { to: "/factory", label: "ModelFactory", Icon: FactoryIcon },
  { to: "/playground", label: "Playground", Icon: MessagesSquareIcon },
  { to: "/earnings", label: "Earnings", Icon: CoinsIcon },
  { to: "/stake", label: "Stake", Icon: LandmarkIcon },
  { to: "/governance", label: "Governance", Icon: VoteIcon },
  { to: "/explorer", label: "Explorer", Icon: BlocksIcon },
] as const;

/** What stands around every screen: the ways to go, the wallet, and the look. */
export function Shell() {
  const [menu, setMenu] = useState(false);
  const pointed = useTourScreen();
  return (
    <div className="mx-auto flex min-h-dvh max-w-[120rem] flex-col lg:flex-row">
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to the content
      </a>
      <header className="flex items-center justify-between gap-2 border-b px-4 py-2 lg:sticky lg:top-0 lg:h-dvh lg:w-56 lg:shrink-0 lg:flex-col lg:items-stretch lg:justify-start lg:overflow-y-auto lg:border-r lg:border-b-0 lg:px-3 lg:py-4">
        <Link to="/" className="flex items-center gap-2 px-1 font-semibold lg:mb-4">
          <img src="/icon.svg" alt="" width={24} height={24} />
          <span className="max-[26rem]:sr-only">OpenLedger</span>
        </Link>
        <div className="flex items-center gap-1 lg:order-last lg:mt-auto lg:flex-col lg:items-stretch lg:gap-2">
          <Live />
          <Who />
          <Look />
          <Button
            variant="quiet"
            size="icon"
            className={cn("lg:hidden", pointed && "tour-mark")}
            aria-label="Menu"
            aria-expanded={menu}
            aria-controls="places"
            onClick={() => setMenu(!menu)}
          >
            <MenuIcon />
          </Button>
        </div>
        <nav
          id="places"
          aria-label="Main"
          className={cn(
            "absolute inset-x-0 top-[3.3rem] z-30 flex-col gap-0.5 border-b bg-ground p-3 lg:static lg:flex lg:border-0 lg:p-0",
            menu ? "flex" : "hidden",
          )}
        >
          {places.map(({ to, label, Icon }) => (
            <Link
              key={to}
              to={to}
              onClick={() => setMenu(false)}
              activeOptions={{ exact: to === "/" }}
              className={cn(
                "flex items-center gap-2.5 rounded-md px-2.5 py-2 text-sm text-quiet hover:bg-sunken hover:text-text",
                pointed === to && "tour-mark",
              )}
              activeProps={{ className: "bg-accent-soft! text-text! font-medium" }}
            >
              <Icon aria-hidden className="size-4" />
              {label}
            </Link>
          ))}
        </nav>
      </header>
      <div className="min-w-0 flex-1">
        <Tour />
        <main id="main" tabIndex={-1} className="px-4 py-6 outline-none sm:px-8">
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** Whether what is shown follows the node by itself. */
function Live() {
  const live = useIsLive();
  return (
    <p className="hidden items-center gap-2 px-2.5 text-xs text-quiet lg:flex">
      <span aria-hidden className={cn("size-2 rounded-full", live ? "bg-good" : "bg-wait")} />
      {live ? "Live" : "Waiting for the node"}
    </p>
  );
}

function Who() {
  const wallet = useWallet();
  const [open, setOpen] = useState(false);
  const mark = useTourMark("key");
  return (
    <>
      {wallet.kind === "none" || wallet.kind === "locked" ? (
        <Button variant="primary" className={mark} onClick={() => setOpen(true)}>
          {wallet.kind === "none" ? "Sign in" : "Unlock"}
        </Button>
      ) : (
        <Button asChild className={mark}>
          <Link to="/account" title={wallet.address}>
            <span className="font-mono text-[0.8125rem]">{short(wallet.address)}</span>
          </Link>
        </Button>
      )}
      {open && <SignIn onClose={() => setOpen(false)} />}
    </>
  );
}

function Look() {
  const [theme, choose] = useTheme();
  const next = theme === "dark" ? "light" : "dark";
  return (
    <Button
      variant="quiet"
      aria-label={`Use the ${next} look`}
      className="px-2.5 lg:justify-start"
      onClick={() => choose(next)}
    >
      {theme === "dark" ? <SunIcon /> : <MoonIcon />}
      <span className="hidden lg:inline">{next === "dark" ? "Dark" : "Light"}</span>
    </Button>
  );
}
