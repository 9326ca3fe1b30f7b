import { lazy, Suspense } from "react";

const WalletDialog = lazy(() => import("./dialog.tsx"));

/** The window where one says who one is; what it needs is loaded when it is first opened. */
export const SignIn = ({ onClose }: { onClose: () => void }) => (
  <Suspense>
    <WalletDialog onClose={onClose} />
  </Suspense>
);
