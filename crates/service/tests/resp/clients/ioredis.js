// Runs the script with ioredis and prints what it makes of each reply.
//
// Arguments: host, port. Standard input: the script, a JSON list of lists of words. Behind it come
// a few things that libraries do beyond single commands.

const fs = require("fs");
const Redis = require("ioredis");

const [host, port] = [process.argv[2], Number(process.argv[3])];
const connect = () => new Redis({ host, port, commandTimeout: 20000, retryStrategy: null });

async function told(work) {
  try {
    return JSON.stringify(await work());
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

async function main() {
  const one = connect();
  for (const words of JSON.parse(fs.readFileSync(0, "utf8"))) {
    console.log(words.join(" "), "=>", await told(() => one.call(...words)));
  }
  const multi = () => one.multi().set("p", 1).incr("p").get("p").exec();
  console.log("transaction", await told(multi));
  const pipeline = one.pipeline();
  for (let n = 0; n < 200; n++) {
    pipeline.set(`p${n}`, n).get(`p${n}`).mget("p0", `p${n}`);
  }
  console.log("pipeline", await told(() => pipeline.exec()));
  const many = Array.from({ length: 100 }, (_, n) => one.get(`p${n}`));
  console.log("at once", await told(() => Promise.all(many)));
  const blob = Buffer.alloc(16384, "\u00ff\u0000", "latin1");
  const stored = async () => {
    await one.set("blob", blob);
    return blob.equals(await one.getBuffer("blob"));
  };
  console.log("binary", await told(stored));

  const subscriber = connect();
  const message = new Promise((resolve) => {
    subscriber.on("message", (channel, text) => resolve([channel, text]));
  });
  console.log("subscribed", await told(() => subscriber.subscribe("channel")));
  console.log("published", await told(() => one.publish("channel", "hello")));
  console.log("message", await told(() => message));
  console.log("unsubscribed", await told(() => subscriber.unsubscribe("channel")));
  console.log("reads again", await told(() => subscriber.get("p1")));

  const pop = subscriber.blpop("queue", 20);
  await one.rpush("queue", "job");
  console.log("blocking", await told(() => pop));
  one.disconnect();
  subscriber.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
