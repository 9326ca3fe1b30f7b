import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { followEvents } from "./api/events.ts";
import { queries } from "./api/queries.ts";
import { ToastRegion } from "./components/ui/toast.tsx";
import { router } from "./router.tsx";
import "./styles.css";

// Dialogs hide the scroll bar by a style element, which the page's policy lets in with this nonce only.
setNonce(document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "");

followEvents();

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ToastRegion>
        <RouterProvider router={router} />
      </ToastRegion>
    </QueryClientProvider>
  </StrictMode>,
);
