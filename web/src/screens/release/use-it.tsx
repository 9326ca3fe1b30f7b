import { Link } from "@tanstack/react-router";
import type { Schema } from "../../api/types.ts";
import { Snippet } from "../../components/snippet.tsx";
import { Button } from "../../components/ui/button.tsx";
import { Card } from "../../components/ui/card.tsx";

type Props = { release: Schema<"Release"> };

/** How a program asks the model, and how the release is taken elsewhere. */
export function UseIt({ release: { id, model } }: Props) {
  const { origin } = location;
  const file = (name: string) => `/v1/releases/${id}/files/${name}`;
  return (
    <div className="grid items-start gap-5 xl:grid-cols-2">
      <Card
        heading="Ask it"
        note="Clients for OpenAI's API work unchanged. The name follows the newest release; its id always means this one."
        action={
          <Button asChild variant="primary">
            <Link to="/playground" search={{ model } as never}>
              Try it in the playground
            </Link>
          </Button>
        }
      >
        <div className="flex flex-col gap-4">
          <Snippet
            label="curl"
            text={`curl ${origin}/v1/chat/completions \\
  -H 'authorization: Bearer sk-ol-…' -H 'content-type: application/json' \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "…"}]}'`}
          />
          <Snippet
            label="Python, with OpenAI's client"
            text={`from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="sk-ol-…")
answer = client.chat.completions.create(
    model="${model}", messages=[{"role": "user", "content": "…"}])
print(answer.choices[0].message.content)`}
          />
          <Snippet
            label="TypeScript, with receipts checked"
            text={`import { createClient } from "@openledger/client";

const client = createClient({ baseUrl: "${origin}", apiKey: "sk-ol-…" });
const answer = await client.chat({ model: "${model}", messages: [{ role: "user", content: "…" }] });
const receipt = await client.waitForReceipt(answer.requestId!);
const { holds } = await client.verifyReceipt(receipt.receiptId, answer);`}
          />
        </div>
      </Card>
      <Card heading="Take it elsewhere" note="The adapter runs wherever its base model does.">
        <div className="flex flex-col gap-4">
          <div className="flex flex-wrap gap-2">
            <Button asChild>
              <a href={file("adapter")} download="adapter_model.safetensors">
                Adapter (safetensors)
              </a>
            </Button>
            <Button asChild>
              <a href={file("adapter-config")} download="adapter_config.json">
                Its configuration (PEFT)
              </a>
            </Button>
          </div>
          <Snippet
            label="As a folder for PEFT"
            text={`./openledger release export ${model} --out ${model}-peft`}
          />
          <Snippet
            label="Merged into its base, for transformers"
            text={`./openledger release export ${model} --out ${model}-merged --format merged --base <folder of the base>`}
          />
          <Snippet label="Train it again and compare" text={`./openledger verify ${id} --retrain`} />
        </div>
      </Card>
    </div>
  );
}
