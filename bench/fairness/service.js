// A realtime service in a process of its own that says back what it hears, as Phoenix answers a heartbeat. It says where it listens.
import { startService } from '../../tests/core/support/services.js';

const socket = (each) => each.on('message', (data, binary) => each.send(data, { binary }));
const { url } = await startService({ socket });
process.send(url);
process.on('disconnect', () => process.exit());
